"""Keys that verify: one authority, one pod, one attestation. Tests state only what differs."""

import ssl
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from avouch import digests
from avouch.attestation import (
    authority,
    bundle,
    dsse,
    identity,
    materials,
    predicate,
    signing,
    statement,
    strictjson,
    trust,
)

NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)
POD = identity.PodIdentity(
    namespace="shop",
    service_account="builder",
    pod_uid="0b0a7d0e-8f0a-4c4f-9d1c-6a5b4c3d2e1f",
    task_run_uid="7a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d",
)
CHAINLOOP = Path(__file__).parents[2] / "assets" / "chainloop-run"


def metadata(**changes: object) -> predicate.Metadata:
    given = predicate.Metadata(
        name="build",
        workflow_name="build",
        workflow_id="f4231cbf-a1ee-465c-8510-d8712923d3bc",
        workflow_run_id="dacc61bd-e276-47d7-bb2f-834d23b6c785",
        project="shop",
        organization="acme",
        contract_name="release",
        contract_version="3",
        initialized_at=NOW,
        finished_at=NOW + timedelta(seconds=5),
    )
    return replace(given, **changes)  # type: ignore[arg-type]  # tests name the fields


def file_material(name: str = "sbom", content: bytes = b"{}", **changes: object) -> materials.Material:
    given = materials.Material(
        name=name,
        type="ARTIFACT",
        digest=digests.of_bytes(content),
        resource=f"{name}.json",
        size=len(content),
        storage="uploaded",
    )
    return replace(given, **changes)  # type: ignore[arg-type]  # tests name the fields


def text_material(name: str = "note", text: bytes = b"hello", **changes: object) -> materials.Material:
    given = materials.Material(name=name, type="STRING", digest=digests.of_bytes(text), content=text, size=len(text))
    return replace(given, **changes)  # type: ignore[arg-type]  # tests name the fields


def facts(**changes: object) -> predicate.AttestationFacts:
    given = predicate.AttestationFacts(
        metadata=metadata(),
        builder_id="avouch.dev/sidecar/0.1.0@sha256:" + "0" * 64,
        runner=predicate.Runner(type="TEKTON_PIPELINE", url="tekton://shop/pipelineruns/build-1"),
        materials=(text_material(), file_material(output=True)),
        env={"PARAM": "1"},
        annotations={"team": "core"},
        git_head=predicate.git_head("a" * 40, {"author.name": "dev"}),
    )
    return replace(given, **changes)  # type: ignore[arg-type]  # tests name the fields


@dataclass(frozen=True)
class Pki:
    """An authority that is trusted, and a sidecar's key with a leaf for POD."""

    ca: authority.Authority
    signer: signing.KeySigner
    leaf: bytes

    @property
    def trust(self) -> trust.TrustRoot:
        return trust.TrustRoot.from_pems([self.ca.certificate_pem])

    def bundle(
        self, payload: bytes | None = None, payload_type: str = dsse.IN_TOTO, leaf: bytes | None = None
    ) -> bytes:
        body = predicate.build(facts()) if payload is None else payload
        envelope = signing.sign_envelope(self.signer, payload_type, body, with_keyid=False)
        return bundle.to_bytes(bundle.Bundle(envelope, certificate=der(leaf or self.leaf)))


def pki() -> Pki:
    ca = authority.new_authority("avouch test", NOW - timedelta(days=1), timedelta(days=30))
    signer = signing.KeySigner.generate()
    return Pki(ca, signer, authority.issue(ca, signing.csr(signer, "sidecar"), POD, NOW))


def der(pem: bytes) -> bytes:
    return x509.load_pem_x509_certificate(pem).public_bytes(serialization.Encoding.DER)


def raw_leaf(
    issuer: x509.Certificate,
    issuer_key: ec.EllipticCurvePrivateKey,
    key: ec.EllipticCurvePublicKey,
    *,
    leave_out: tuple[type[x509.ExtensionType], ...] = (),
    instead: tuple[tuple[x509.ExtensionType, bool], ...] = (),
    aki: bytes | None = None,
    hashed: hashes.SHA224 | hashes.SHA384 | None = None,
) -> bytes:
    """A leaf that our authority would refuse to make: extensions left out or replaced."""
    uris = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(uri) for uri in POD.uris()])
    usage = x509.KeyUsage(True, False, False, False, False, False, False, False, False)
    issuer_ski = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    extensions: list[tuple[x509.ExtensionType, bool]] = [
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (usage, True),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), False),
        (uris, True),
        (x509.AuthorityKeyIdentifier(aki or issuer_ski, None, None), False),
    ]
    replaced = tuple(type(value) for value, _ in instead)
    kept = [item for item in extensions if not isinstance(item[0], (*leave_out, *replaced))]
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(issuer.subject)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - timedelta(minutes=1))
        .not_valid_after(NOW + timedelta(minutes=10))
    )
    for value, critical in (*kept, *instead):
        builder = builder.add_extension(value, critical=critical)
    return builder.sign(issuer_key, hashed or hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def with_sha1(pem: bytes, issuer_key: ec.EllipticCurvePrivateKey) -> bytes:
    """The same leaf, signed with ecdsa-with-SHA1, which no library makes any more."""
    sha256, sha1 = bytes.fromhex("300a06082a8648ce3d040302"), bytes.fromhex("300906072a8648ce3d0401")
    tbs = x509.load_pem_x509_certificate(pem).tbs_certificate_bytes
    assert (tbs.count(sha256), tbs[:2]) == (1, b"\x30\x82")
    tbs = _sequence(tbs[4:].replace(sha256, sha1))
    signature = b"\0" + issuer_key.sign(tbs, ec.ECDSA(hashes.SHA1()))  # noqa: S303 - what is to be refused
    whole = _sequence(tbs + sha1 + bytes((3, len(signature))) + signature)
    return ssl.DER_cert_to_PEM_cert(whole).encode()


def _sequence(content: bytes) -> bytes:
    return b"\x30\x82" + len(content).to_bytes(2, "big") + content


def statement_bytes(**changes: object) -> bytes:
    """A minimal statement, unchecked, so that tests can break it."""
    whole: dict[str, object] = {
        "_type": statement.TYPE,
        "subject": [{"name": "x", "digest": {"sha256": "a" * 64}}],
        "predicateType": predicate.TYPE,
        "predicate": {},
    }
    return strictjson.dumps({key: value for key, value in {**whole, **changes}.items() if value is not None})
