"""The claim: what this pod says about one run, as the signed statement that the server will weigh.

Findings travel in the predicate's annotations, `avouch.dev/finding.<material>` and `avouch.dev/cause.<material>`:
signed like the rest, so none gets lost on the road, and read by the judge.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePosixPath

from cryptography.hazmat.primitives.serialization import Encoding

from avouch import image_references, plan
from avouch.attestation import bundle, dsse, materials, predicate, signing, trust
from avouch.sidecar import collect, discover

RUNNER = "TEKTON_PIPELINE"
BUILDER = "avouch.dev/sidecar"


@dataclass(frozen=True, slots=True)
class Opened:
    """A run that the server opened for this pod."""

    id: str
    name: str
    workflow: str
    plan: plan.Plan


@dataclass(frozen=True, slots=True)
class Moment:
    """When the pod was seen starting its evidence, and when it had all of it."""

    initialized: datetime
    finished: datetime


def statement(
    run: Opened, collected: Iterable[collect.Collected], place: discover.Place, moment: Moment, dashboard: str
) -> bytes:
    """The payload to sign. Raises errors.Invalid or errors.TooLarge for what no statement can hold."""
    found = tuple(collected)
    owed = run.plan
    return predicate.build(
        predicate.AttestationFacts(
            metadata=predicate.Metadata(
                name=owed.workflow,
                workflow_name=owed.workflow,
                workflow_id=owed.workflow_uid,
                workflow_run_id=run.id,
                project=owed.project or owed.namespace,
                organization="",
                contract_name=owed.contract,
                contract_version=str(owed.revision),
                initialized_at=moment.initialized,
                finished_at=moment.finished,
                team=owed.team,
            ),
            builder_id=BUILDER,
            runner=predicate.Runner(type=RUNNER, url=place.url(dashboard), environment="self-hosted"),
            materials=tuple(material(one) for one in found if one.present),
            env=place.variables(),
            annotations=findings(found),
        )
    )


def material(one: collect.Collected) -> materials.Material:
    """A collected material as the statement shows it."""
    if one.digest is None:
        raise ValueError(f"material {one.material.name} was not collected")
    planned = one.material
    notes = {note.name: note.value for note in planned.annotations if note.value}
    if one.file is not None:
        return materials.Material(
            name=planned.name,
            type=planned.type,
            digest=one.digest,
            resource=PurePosixPath(one.file.path).name,
            size=one.file.hashed.size,
            output=planned.output,
            storage="none" if planned.skip_upload else "uploaded",
            annotations=notes,
        )
    if planned.type == collect.IMAGE:
        reference = image_references.split(one.value)
        return materials.Material(
            name=planned.name,
            type=planned.type,
            digest=one.digest,
            resource=reference.name,
            output=planned.output,
            image_tag=reference.tag,
            image_latest=reference.tag == image_references.LATEST,
            annotations=notes,
        )
    return materials.Material(
        name=planned.name,
        type=planned.type,
        digest=one.digest,
        resource="" if planned.type == collect.STRING else one.value,
        content=one.value.encode() if planned.type == collect.STRING else None,
        output=planned.output,
        annotations=notes,
    )


def findings(collected: Iterable[collect.Collected]) -> Mapping[str, str]:
    """What could not be taken, why, and the cause, by annotation name."""
    refused = [one for one in collected if one.finding]
    said = {f"{predicate.FINDING}{one.material.name}": one.finding[:1000] for one in refused}
    return said | {f"{predicate.CAUSE}{one.material.name}": one.cause for one in refused if one.cause}


def signed(payload: bytes, signer: signing.KeySigner, certificate_pem: str) -> bytes:
    """The bundle to push. Raises errors.Invalid where the server's certificate is none."""
    leaf, *_ = trust.certificates(certificate_pem.encode("utf-8", "replace"), "certificate")
    envelope = signing.sign_envelope(signer, dsse.IN_TOTO, payload, with_keyid=False)
    return bundle.to_bytes(bundle.Bundle(envelope=envelope, certificate=leaf.public_bytes(Encoding.DER)))
