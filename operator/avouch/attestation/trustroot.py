"""The trust root: every authority and key that has signed for this installation, in one JSON document.

```json
{"mediaType": "application/vnd.avouch.trust-root.v1+json",
 "authorities": [{"keyId": "<subject key identifier, hex>", "certificate": "<PEM>"}],
 "keys": [{"family": "passed", "keyId": "<fingerprint>", "publicKey": "<PEM>", "since": "2026-01-12T09:00:00Z"}]}
```

It only grows: what was signed before a rotation is verified with what was listed then. Nothing in it is secret; whoever
may change it decides what is believed.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import NamedTuple, Self

from cryptography.hazmat.primitives import serialization

from avouch import errors, rfc3339
from avouch.attestation import keysigned, shape, signing, strictjson, trust

MEDIA_TYPE = "application/vnd.avouch.trust-root.v1+json"
MAX_BYTES = 512 * 1024
MAX_KEYS = 100
_FIX = "give what avouch trust export printed"


class Key(NamedTuple):
    """A public key of the server. `since`: when it was listed first, RFC 3339."""

    family: keysigned.Family
    keyid: str
    pem: str
    since: str


class Document(NamedTuple):
    """The trust root. `authorities` are PEM, one certificate each."""

    authorities: tuple[str, ...] = ()
    keys: tuple[Key, ...] = ()

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read one; each certificate and key in it is looked at.

        Raises:
            Invalid: it is no trust root, or something in it is not what it says.
        """
        fields = shape.mapping(strictjson.loads(data, max_bytes=MAX_BYTES), "trust root")
        if fields.get("mediaType") != MEDIA_TYPE:
            raise errors.Invalid("this is no trust root of avouch", field="mediaType", fix=_FIX)
        listed = [
            shape.mapping(each, "authorities") for each in shape.sequence(fields.get("authorities"), "authorities")
        ]
        pems = tuple(shape.text(each.get("certificate"), "authorities.certificate") for each in listed)
        keys = tuple(_key(shape.mapping(each, "keys")) for each in shape.sequence(fields.get("keys"), "keys"))
        found = cls(pems, _bounded(keys))
        if pems:
            found.root()
        return found

    def to_json(self) -> dict[str, object]:
        """As JSON holds it."""
        return {
            "mediaType": MEDIA_TYPE,
            "authorities": [{"keyId": _identifier(pem), "certificate": pem} for pem in self.authorities],
            "keys": [
                {"family": str(key.family), "keyId": key.keyid, "publicKey": key.pem, "since": key.since}
                for key in self.keys
            ],
        }

    def to_bytes(self) -> bytes:
        """As it is stored."""
        return strictjson.dumps(self.to_json())

    def joined(self, authorities: Iterable[bytes], keys: Mapping[keysigned.Family, bytes], now: datetime) -> Self:
        """With what signs now; all that was listed stays.

        Args:
            authorities: CA certificates, PEM, any number in each.
            keys: the private keys, PEM, of which the public halves are listed.
            now: when.
        """
        certificates = [each for pem in authorities for each in trust.certificates(pem)]
        pems = [each.public_bytes(serialization.Encoding.PEM).decode("ascii") for each in certificates]
        known, since = {key.keyid for key in self.keys}, rfc3339.to_seconds(now)
        fresh = (_public(family, pem, since) for family, pem in keys.items())
        listed = (*self.keys, *(key for key in fresh if key.keyid not in known))
        return self._replace(authorities=tuple(dict.fromkeys((*self.authorities, *pems))), keys=_bounded(listed))

    def root(self) -> trust.TrustRoot:
        """The authorities. Raises errors.Invalid where there are none."""
        return trust.TrustRoot.from_pems(pem.encode() for pem in self.authorities)

    def keys_for(self, keyid: str) -> dict[keysigned.Family, bytes]:
        """The keys to verify a bundle with, of which each family has at most one: by their name, else the newest.

        The name only chooses among trusted keys; a bundle that gives the wrong one does not verify.
        """
        newest = {key.family: key.pem.encode() for key in self.keys}
        return newest | {key.family: key.pem.encode() for key in self.keys if key.keyid == keyid}


def _bounded(keys: tuple[Key, ...]) -> tuple[Key, ...]:
    if len(keys) > MAX_KEYS:
        raise errors.TooLarge(f"{len(keys)} keys, at most {MAX_KEYS}", field="keys", fix="remove the oldest ones")
    return keys


def _key(fields: Mapping[str, object]) -> Key:
    family, pem = shape.text(fields.get("family"), "keys.family"), shape.text(fields.get("publicKey"), "keys.publicKey")
    if family not in list(keysigned.Family):
        raise errors.Invalid(f"{family[:80]!r} is not a key family", field="keys.family", fix=_FIX)
    found = signing.fingerprint(signing.public_key_from_pem(pem.encode()))
    if found != shape.text(fields.get("keyId"), "keys.keyId"):
        raise errors.Invalid(f"the key of {family} is {found}, not what its keyId says", field="keys.keyId", fix=_FIX)
    return Key(keysigned.Family(family), found, pem, shape.optional_text(fields.get("since"), "keys.since"))


def _public(family: keysigned.Family, private: bytes, since: str) -> Key:
    signer = signing.KeySigner.from_pem(private)
    return Key(family, signer.keyid, signer.public_key_pem.decode("ascii"), since)


def _identifier(pem: str) -> str:
    return trust.authority_key(trust.certificates(pem.encode())[0]).hex()
