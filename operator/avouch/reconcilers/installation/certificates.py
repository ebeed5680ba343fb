"""Keys and certificates of the install, made and rotated by the leader.

Three Secrets in our own namespace, which the server and the workers mount:
- `avouch-ca`: the authority for pod certificates (ca.crt, ca.key, and previous.crt for a while after a rotation);
- `avouch-server-tls`: tls.crt and tls.key of the server's Services, ca.crt, the bundle that verifies them (the old and
  the new authority during a rotation), and ca.key, which signs the next one;
- `avouch-signing-keys`: attestation.pem, passed.pem, failed.pem: one P-256 key per kind of statement, never replaced by
  us, because verifiers hold their public halves.

And two ConfigMaps: `avouch-server`, for whoever has to reach the server (ca.crt, url and, where there is one,
public-url), and `avouch-trust`, for whoever verifies what was signed (trust.json, `attestation.trustroot`).
"""

import base64
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import NamedTuple, Protocol, TypeAlias
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from avouch.attestation import authority, keysigned, signing, trust, trustroot
from avouch.kube import resources
from avouch.kube.client import Json
from avouch.reconcilers.installation import webhook

log = logging.getLogger(__name__)

Files: TypeAlias = dict[str, bytes]

CONFIG_MAP, TRUST_MAP = "avouch-server", "avouch-trust"
TRUST_FILE = "trust.json"
CA_SECRET, TLS_SECRET, KEYS_SECRET = "avouch-ca", "avouch-server-tls", "avouch-signing-keys"
SIGNING_KEYS = ("attestation.pem", "passed.pem", "failed.pem")

_AUTHORITY_LIFETIME = timedelta(days=3650)
_AUTHORITY_DUE = timedelta(days=365)  # left when it is replaced
_LEAF_LIFETIME = timedelta(days=90)
_LEAF_DUE = timedelta(days=30)


class Api(Protocol):
    """The verbs that keeping certificates needs."""

    async def get(self, resource: resources.Resource, namespace: str, name: str) -> Json | None:
        """One object, or None."""
        ...

    async def create(self, resource: resources.Resource, body: Json) -> Json:
        """Create an object."""
        ...

    async def replace(self, resource: resources.Resource, body: Json) -> Json:
        """Replace at a resourceVersion."""
        ...

    async def apply(self, resource: resources.Resource, body: Json, *, subresource: str = "") -> Json:
        """Server-side apply."""
        ...


class Services(NamedTuple):
    """The Services of the server, one for each port that others of the cluster reach."""

    ingest: str
    runs: str
    admission: str


def dns_names(service: str, namespace: str) -> tuple[str, ...]:
    """Every name under which a Service of the cluster is reached."""
    return (service, f"{service}.{namespace}", f"{service}.{namespace}.svc", f"{service}.{namespace}.svc.cluster.local")


def pod_authority(current: Mapping[str, bytes], now: datetime) -> Files:
    """The pod authority's Secret: what it holds, or a new authority beside the old certificate where that is due."""
    if not _due(current.get("ca.crt"), now, _AUTHORITY_DUE):
        return dict(current)
    fresh = authority.new_authority("avouch pods", now, _AUTHORITY_LIFETIME)
    before = {"previous.crt": current["ca.crt"]} if current.get("ca.crt") else {}
    return {"ca.crt": fresh.certificate_pem, "ca.key": fresh.private_key_pem(), **before}


def serving(current: Mapping[str, bytes], names: tuple[str, ...], now: datetime) -> Files:
    """The serving Secret: kept, or with a new leaf, or with a new authority whose bundle trusts the old one as well.

    `names` are DNS names and IP addresses.
    """
    files = dict(current)
    newest = _certificates(files.get("ca.crt"))[-1:]
    if not newest or newest[0].not_valid_after_utc - now < _AUTHORITY_DUE or "ca.key" not in files:
        fresh = authority.new_authority("avouch serving", now, _AUTHORITY_LIFETIME)
        files["ca.crt"] = _bundle(newest, now) + fresh.certificate_pem
        files["ca.key"] = fresh.private_key_pem()
        files.pop("tls.crt", None)
    if _due(files.get("tls.crt"), now, _LEAF_DUE) or not _names(files["tls.crt"], names):
        issuer = authority.Authority.from_pem(_pem(_certificates(files["ca.crt"])[-1]), files["ca.key"])
        hosts, addresses = _told_apart(names)
        leaf, key = authority.serving_certificate(issuer, hosts, addresses, now, _LEAF_LIFETIME)
        files["tls.crt"], files["tls.key"] = leaf, key
    return files


def signing_keys(current: Mapping[str, bytes]) -> Files:
    """The signing keys: those that are there, and new ones where one is missing."""
    return {name: current.get(name) or signing.KeySigner.generate().private_key_pem() for name in SIGNING_KEYS}


def trusted(found: Json | None, pods: Files, keys: Files, now: datetime) -> str:
    """The trust root: what the ConfigMap lists, and what signs now.

    Raises:
        errors.Invalid: the ConfigMap holds something else.
    """
    text = ((found or {}).get("data") or {}).get(TRUST_FILE, "")
    listed = trustroot.Document.parse(text.encode()) if text else trustroot.Document()
    private = {keysigned.Family(name.removesuffix(".pem")): keys[name] for name in SIGNING_KEYS}
    certificates = [pods[name] for name in ("previous.crt", "ca.crt") if pods.get(name)]
    return listed.joined(certificates, private, now).to_bytes().decode()


@dataclass(slots=True)
class CertificateReconciler:
    """Makes and renews the Secrets and the webhook configuration."""

    api: Api
    namespace: str
    services: Services
    public_url: str = ""  # where CI outside the cluster reaches the server
    bundle: bytes = b""  # verifies the server; what the APIService says
    expiry: dict[str, datetime] = field(default_factory=dict)  # Secret/file -> when the newest certificate in it ends

    async def reconcile(self, now: datetime) -> None:
        """Make what is missing, renew what is due, and tell the API server whom to trust.

        Raises:
            errors.Conflict: somebody else wrote a Secret meanwhile; look again.
        """
        names = tuple(name for service in self.services for name in dns_names(service, self.namespace))
        names += _public_name(self.public_url)
        pods = await self._keep(CA_SECRET, lambda files: pod_authority(files, now))
        keys = await self._keep(KEYS_SECRET, signing_keys)
        files = await self._keep(TLS_SECRET, lambda found: serving(found, names, now))
        self.bundle = files["ca.crt"]
        await self._hook()
        await self._tell()
        await self._list_trusted(pods, keys, now)

    async def _keep(self, name: str, decide: "webhook.Decide") -> Files:
        found = await self.api.get(resources.SECRETS, self.namespace, name)
        current = {k: base64.b64decode(v) for k, v in ((found or {}).get("data") or {}).items()}
        wanted = decide(current)
        if found is None:
            await self.api.create(resources.SECRETS, self._secret(name, wanted))
            log.info("Secret %s made", name)
        elif wanted != current:
            data = self._secret(name, wanted)["data"]
            await self.api.replace(resources.SECRETS, {**found, "data": data})
            log.info("Secret %s renewed", name)
        for file in ("ca.crt", "tls.crt"):
            if file in wanted:
                self.expiry[f"{name}/{file}"] = _certificates(wanted[file])[-1].not_valid_after_utc
        return wanted

    async def _hook(self) -> None:
        body = webhook.configuration(self.namespace, self.services.admission, self.bundle)
        found = await self.api.get(resources.MUTATING_WEBHOOKS, "", webhook.NAME)
        if not webhook.says(found, body):
            await self.api.apply(resources.MUTATING_WEBHOOKS, body)
            log.info("MutatingWebhookConfiguration %s written", webhook.NAME)

    async def _tell(self) -> None:
        data = {"ca.crt": self.bundle.decode("ascii"), "url": f"https://{self.services.ingest}.{self.namespace}.svc"}
        if self.public_url:
            data["public-url"] = self.public_url
        found = await self.api.get(resources.CONFIG_MAPS, self.namespace, CONFIG_MAP)
        await self._write(CONFIG_MAP, found, data)

    async def _list_trusted(self, pods: Files, keys: Files, now: datetime) -> None:
        """What has signed, ever. A list that cannot be read is left as it is: writing anew would forget old keys."""
        found = await self.api.get(resources.CONFIG_MAPS, self.namespace, TRUST_MAP)
        await self._write(TRUST_MAP, found, {TRUST_FILE: trusted(found, pods, keys, now)})

    async def _write(self, name: str, found: Json | None, data: Mapping[str, str]) -> None:
        if found is None or found.get("data") != data:
            metadata = {"namespace": self.namespace, "name": name}
            body: Json = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}
            await self.api.apply(resources.CONFIG_MAPS, body)
            log.info("ConfigMap %s written", name)

    def _secret(self, name: str, files: Mapping[str, bytes]) -> Json:
        return {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {
                "namespace": self.namespace,
                "name": name,
                "labels": {"app.kubernetes.io/managed-by": "avouch-controller"},
            },
            "type": "Opaque",
            "data": {key: base64.b64encode(value).decode() for key, value in files.items()},
        }


def _public_name(url: str) -> tuple[str, ...]:
    """The host of the public URL: where TLS passes through it ends at our own server."""
    host = urlsplit(url).hostname
    return (host,) if host else ()


def _told_apart(names: tuple[str, ...]) -> tuple[list[str], list[IPv4Address | IPv6Address]]:
    hosts: list[str] = []
    addresses: list[IPv4Address | IPv6Address] = []
    for name in names:
        try:
            addresses.append(ip_address(name))
        except ValueError:
            hosts.append(name)
    return hosts, addresses


def _certificates(pem: bytes | None) -> list[x509.Certificate]:
    return trust.certificates(pem, "ca.crt", "delete the Secret") if pem else []


def _due(pem: bytes | None, now: datetime, margin: timedelta) -> bool:
    found = _certificates(pem)
    return not found or found[-1].not_valid_after_utc - now < margin


def _names(leaf: bytes, wanted: tuple[str, ...]) -> bool:
    names = _certificates(leaf)[0].extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    found = {*names.get_values_for_type(x509.DNSName), *map(str, names.get_values_for_type(x509.IPAddress))}
    return set(wanted) <= found


def _bundle(old: list[x509.Certificate], now: datetime) -> bytes:
    return b"".join(_pem(certificate) for certificate in old if certificate.not_valid_after_utc > now)


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
