"""What a caller brings to its run: what is believed of it, what is stored for it, and for whom."""

import uuid
from dataclasses import replace
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from avouch import digests, errors
from avouch.attestation import identity
from avouch.controlplane.intake import multipart, sessions, submissions
from avouch.controlplane.model import artifacts, runs
from tests.unit.attestation import builders
from tests.unit.ingest import fakes


def test_the_artifacts_of_a_statement_are_its_files_and_neither_texts_nor_images() -> None:
    sbom = builders.file_material("sbom", b"sbom")
    image = builders.file_material("image", b"image", type="CONTAINER_IMAGE")
    facts = builders.facts(materials=(builders.text_material(), sbom, image))
    assert submissions.artifacts_of(facts) == (sbom.digest,)


async def pushed(fake: fakes.Fakes, content: bytes, *, explicit: bool = False) -> runs.Claim:
    session = await fake.intake.session(fakes.TOKEN, fake.run.id, sessions.Need.ATTEST)
    receipt = await fake.intake.accept(session, content, explicit=explicit)
    return fake.store.claims[receipt.digest]


async def test_a_claim_holds_the_bundle_and_the_pod_that_brought_it() -> None:
    fake = fakes.Fakes()
    content = fakes.signed(fake)
    claim = await pushed(fake, content)
    assert (claim.run_id, claim.bundle, claim.digest) == (fake.run.id, content, digests.of_bytes(content))
    assert (claim.pod, claim.pod_uid, claim.service_account) == ("build-pod", "pod-uid", "builder")
    assert (claim.taskrun, claim.taskrun_uid, claim.pipeline_task) == ("build", "taskrun-uid", "compile")
    assert claim.received_at == fakes.NOW


@pytest.mark.parametrize(
    ("explicit", "injected", "told"),
    [(True, True, True), (False, True, False), (True, False, True), (False, False, True)],
)
async def test_a_claim_is_a_steps_where_it_says_so_and_where_its_pod_has_no_sidecar(
    explicit: bool, injected: bool, told: bool
) -> None:
    fake = fakes.Fakes()
    if not injected:
        fake.cluster.pods["shop", "build-pod"]["spec"]["initContainers"] = [{"name": "prepare"}]
    assert (await pushed(fake, fakes.signed(fake), explicit=explicit)).explicit is told


@pytest.mark.parametrize(
    ("said", "refusal"),
    [
        ({"workflow_run_id": ""}, errors.NotVerified),
        ({"workflow_run_id": str(uuid.UUID(int=1))}, errors.Conflict),
        ({"workflow_name": "other"}, errors.Conflict),
        ({"contract_name": "other"}, errors.Conflict),
        ({"contract_version": "2"}, errors.Conflict),
    ],
)
async def test_a_statement_about_anything_but_the_run_is_refused_and_kept_nowhere(
    said: dict[str, str], refusal: type[errors.AvouchError]
) -> None:
    fake = fakes.Fakes()
    with pytest.raises(refusal):
        await pushed(fake, fakes.signed(fake, **said))
    assert fake.store.claims == {}


async def test_a_bundle_that_another_pod_signed_is_refused() -> None:
    fake = fakes.Fakes()
    with pytest.raises(errors.NotVerified):
        await pushed(fake, fakes.signed(fake, pod_uid="other-uid"))


async def test_an_external_run_is_served_by_the_external_runs_and_by_nobody_without_them() -> None:
    fake, run_id = fakes.Fakes(), runs.RunKey("w", "x", external=True).id
    with pytest.raises(errors.NotFound, match=r"^no such run$"):
        await fake.intake.session(fakes.TOKEN, run_id)

    class External:
        async def session(self, *asked: Any) -> Any:
            return asked

    intake = replace(fake.intake, external=External())  # type: ignore[arg-type]  # what is used of it
    assert await intake.session("theirs", run_id, sessions.Need.READ) == ("theirs", run_id, sessions.Need.READ)  # type: ignore[comparison-overlap]
    assert (await intake.session(fakes.TOKEN, fake.run.id, sessions.Need.READ)).run == fake.run


async def test_a_certificate_names_the_signer_of_the_session_and_the_authority_that_issued_it() -> None:
    fake = fakes.Fakes()
    session = await fake.intake.session(fakes.TOKEN, fake.run.id)
    key = ec.generate_private_key(ec.SECP256R1())
    given = await fake.intake.certify(session, fakes.csr(key))
    leaf = x509.load_pem_x509_certificate(given.certificate.encode())
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    assert tuple(uris) == identity.PodIdentity("shop", "builder", "pod-uid", "taskrun-uid").uris()
    assert given.chain == (fake.keys.authority().certificate_pem.decode(),)
    with pytest.raises(errors.Invalid):
        await fake.intake.certify(session, b"no request")


class Blobs(fakes.Blobs):
    """Remembers for whom and up to which size content is stored, and where it is looked for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[object] = []

    async def put(self, content: Any, *, expected: Any, limit: int, owner: Any = None) -> tuple[digests.Digest, int]:
        self.asked.append((owner, limit))
        return await super().put(content, expected=expected, limit=limit, owner=owner)

    async def has(self, digest: digests.Digest, *, namespace_uid: str = "") -> bool:
        self.asked.append(namespace_uid)
        return await super().has(digest, namespace_uid=namespace_uid)

    async def use(self, digest: digests.Digest, owner: artifacts.Owner) -> bool:
        self.asked.append(owner)
        return digest in self.content

    async def get(self, digest: digests.Digest, *, namespace_uid: str = "") -> Any:
        self.asked.append(namespace_uid)
        if digest not in self.content:
            raise errors.NotFound(f"no content {digest}")
        yield self.content[digest]


async def pieces(content: bytes) -> Any:
    yield content


async def test_material_is_the_runs_and_a_part_of_it_its_namespaces_until_they_are_joined() -> None:
    fake, blobs = fakes.Fakes(), Blobs()
    intake = replace(fake.intake, blobs=blobs)  # type: ignore[arg-type]  # what is used of it
    session = await intake.session(fakes.TOKEN, fake.run.id)
    run, shop = artifacts.Owner("shop", "shop-uid", fake.run.id), artifacts.Owner("shop", "shop-uid")
    one, two, whole = (digests.of_bytes(each) for each in (b"one", b"two", b"onetwo"))
    await intake.put_part(session, one, pieces(b"one"))
    await intake.put_part(session, two, pieces(b"two"))
    assert blobs.asked == [(shop, multipart.LARGEST)] * 2
    assert (await intake.has_part(session, one), await intake.has_part(session, whole)) == (True, False)
    assert not await intake.known(session, whole)
    del blobs.asked[:]
    assert await intake.join(session, whole, [one, two]) == (whole, 6)
    assert blobs.asked == [(run, intake.max_material), "shop-uid", "shop-uid"]
    assert await intake.known(session, whole)
    assert blobs.asked[-1] == run
    with pytest.raises(errors.Conflict, match="is not stored: upload it"):
        await intake.join(session, whole, [one, digests.of_bytes(b"never sent")])
