"""RunDeletion: the record of a run that somebody deleted, read-only. It has a schema and no CRD."""

from typing import Annotated, Any

from msgspec import Meta, Struct

from avouch.api import workflowrun


class DeletedRun(Struct, frozen=True, rename="camel"):
    """What the run was."""

    uid: Annotated[str, Meta(description="Its UID.")] = ""
    workflow: Annotated[str, Meta(description="Workflow that it belonged to.")] = ""
    subject: Annotated[workflowrun.SubjectReference, Meta(description="What it was about.")] = (
        workflowrun.SubjectReference()
    )
    contract: Annotated[workflowrun.ContractReference, Meta(description="Revision that it was judged against.")] = (
        workflowrun.ContractReference()
    )
    verdict: Annotated[str, Meta(description="Its verdict.")] = ""
    evidence: Annotated[str, Meta(description="Where its evidence came from.")] = ""
    documents: Annotated[
        dict[str, str], Meta(description="Digests of what was signed, such as attestation and vsa.")
    ] = {}
    opened_at: Annotated[str, Meta(description="When it was opened.")] = ""
    judged_at: Annotated[str, Meta(description="When its verdict was reached.")] = ""


class DeletionSpec(Struct, frozen=True, rename="camel"):
    """Who deleted what, and why."""

    reason: Annotated[str, Meta(description="Why.")] = ""
    deleted_by: Annotated[str, Meta(description="The user of the cluster.")] = ""
    run: Annotated[DeletedRun, Meta(description="The run.")] = DeletedRun()


class DeletionStatus(Struct, frozen=True, rename="camel"):
    """How far it is."""

    deleted_at: Annotated[str, Meta(description="When the worker deleted it.")] = ""


class RunDeletion(Struct, frozen=True, rename={"api_version": "apiVersion"}):
    """The record of a run that somebody deleted. It stays."""

    api_version: Annotated[str, Meta(description="runs.avouch.dev/v1alpha1.")] = ""
    kind: Annotated[str, Meta(description="RunDeletion.")] = ""
    metadata: Annotated[dict[str, Any], Meta(description="Standard object's metadata.")] = {}
    spec: Annotated[DeletionSpec, Meta(description="Who deleted what, and why.")] = DeletionSpec()
    status: Annotated[DeletionStatus, Meta(description="How far it is.")] = DeletionStatus()
