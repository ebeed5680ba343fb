"""The policies of runs whose contracts have none: who asks them fails."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager

from avouch import digests
from avouch.controlplane.judging import policies
from avouch.controlplane.model import artifacts, policyexceptions
from avouch.controlplane.model import policies as policy_model
from avouch.policy import evaluation, rego


class _Nobody:
    async def resolved(self, revision: policy_model.Revision) -> bytes | None:
        raise AssertionError("no contract of these tests has policies")

    async def documents(self, digests: frozenset[str]) -> Mapping[str, bytes]:
        raise AssertionError("no contract of these tests has policies")

    async def of_workflow(self, namespace_uid: str, workflow: str) -> Sequence[policyexceptions.PolicyException]:
        raise AssertionError("nothing is excepted here")

    @property
    def version(self) -> str:
        raise AssertionError("nothing is evaluated here")

    async def compiled(self, source: str) -> rego.Compiled:
        raise AssertionError("nothing is evaluated here")

    def document(self, tenant: str, content: bytes) -> AbstractAsyncContextManager[evaluation.Asked]:
        raise AssertionError("nothing is evaluated here")

    def get(self, digest: digests.Digest, *, namespace_uid: str = "") -> AsyncIterator[bytes]:
        raise AssertionError("nothing is read here")

    async def show(self, type_: str, content: bytes, *, namespace_uid: str, allowance: artifacts.Allowance) -> bytes:
        raise AssertionError("nothing is shown here")


_NOBODY = _Nobody()
UNASKED = policies.Evaluating(_NOBODY, _NOBODY, _NOBODY, _NOBODY, _NOBODY)
