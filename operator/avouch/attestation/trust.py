"""The trusted authorities: a set of CA certificates, found by the authority key identifier of a leaf.

During a rotation old and new authority are both in the set; a leaf is only checked against those whose subject key
identifier equals its authority key identifier (RFC 5280 4.2.1.1).
"""

from collections.abc import Iterable, Mapping
from dataclasses import field
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from avouch import errors
from avouch.values import dataclass

MAX_AUTHORITIES = 16  # old, new and a few foreign ones; a longer list is a mistake
MAX_PEM = 256 * 1024  # bytes of PEM in one file


@dataclass(frozen=True, slots=True)
class TrustRoot:
    """CA certificates by subject key identifier. Create one with `from_pems`; an empty one trusts no authority."""

    by_key: Mapping[bytes, tuple[x509.Certificate, ...]] = field(repr=False)

    @classmethod
    def from_pems(cls, pems: Iterable[bytes]) -> Self:
        """Read CA certificates; each PEM may hold several.

        Raises:
            Invalid: no certificate at all, one that is not readable, or one that is not a CA with a key identifier.
            TooLarge: over 16 certificates or 256 KiB.
        """
        found = [certificate for pem in pems for certificate in certificates(pem)]
        if not found:
            raise errors.Invalid("no trusted authority", field="trust", fix="give at least one CA certificate")
        if len(found) > MAX_AUTHORITIES:
            raise errors.TooLarge(f"{len(found)} authorities, at most {MAX_AUTHORITIES}", field="trust")
        by_key: dict[bytes, tuple[x509.Certificate, ...]] = {}
        for certificate in found:
            key = authority_key(certificate)
            by_key[key] = (*by_key.get(key, ()), certificate)
        return cls(by_key)

    def candidates(self, key_identifier: bytes) -> tuple[x509.Certificate, ...]:
        """The authorities with this subject key identifier: none, one, or several that renewed one key."""
        return self.by_key.get(key_identifier, ())

    def pems(self) -> tuple[str, ...]:
        """Every authority as PEM, in the order in which they were given."""
        every = (certificate for found in self.by_key.values() for certificate in found)
        return tuple(found.public_bytes(serialization.Encoding.PEM).decode("ascii") for found in every)


def authority_key(certificate: x509.Certificate) -> bytes:
    """Subject key identifier of a certificate that may issue others.

    Raises:
        Invalid: basicConstraints without CA, keyUsage without certificate signing, or no subject key identifier.
    """
    try:
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
        key = certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError) as exc:
        raise errors.Invalid(f"not a CA certificate: {exc}", field="trust") from exc
    if not constraints.ca or not usage.key_cert_sign:
        raise errors.Invalid("not a CA certificate", field="trust", fix="basicConstraints CA:TRUE and keyCertSign")
    return key.digest


def certificates(pem: bytes, field: str = "trust", fix: str = "") -> list[x509.Certificate]:
    """Every certificate of a PEM text, at least one.

    Raises:
        Invalid: none is there, one is unreadable, or the text is over `MAX_PEM`.
    """
    if len(pem) > MAX_PEM:
        raise errors.TooLarge(f"{len(pem)} bytes of PEM, at most {MAX_PEM}", field=field)
    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError as exc:
        raise errors.Invalid("not a PEM certificate", field=field, fix=fix) from exc
