"""Scripts of what a Contract owes, compiled before a revision is recorded: no run is held to one that cannot run.

Scripts are anybody's, and Contracts share their queue with other kinds: few are compiled at once,
each for a bounded time.
"""

import asyncio
from collections.abc import Mapping, Sequence

from avouch import errors
from avouch.contract import owed, reading
from avouch.policy import evaluation, resolution, scripts
from avouch.reconcilers import policies
from avouch.reconcilers.context import Context

AGAIN = 2.0  # seconds after which one whose turn has not come asks again
_COMPILING = "its policies are being compiled"
_NOT_YET = resolution.Unresolved(reading.Problem("spec", _COMPILING, ""), missing=True)


async def checked(
    context: Context, namespace: str, found: resolution.Resolved, recheck: float | None
) -> tuple[resolution.Resolved | Sequence[resolution.Unresolved], float | None]:
    """What was found, if all of it compiles, else what does not; and after how many seconds to look again.

    Raises:
        errors.Unavailable: it took too long; what was compiled is remembered, and another try comes further.
    """
    with context.compiling.of(namespace) as turn:
        if not turn:
            return [_NOT_YET], AGAIN
        try:
            async with asyncio.timeout(policies.TOGETHER):
                return await _unusable(context.compiler, found) or found, recheck
        except TimeoutError as exc:
            raise errors.Unavailable(_COMPILING) from exc


async def _unusable(compiler: evaluation.Compiler, found: resolution.Resolved) -> Sequence[resolution.Unresolved]:
    said = {digest: await _flaws(compiler, document) for digest, document in found.documents.items()}
    return [_told(bound, said) for bound in found.owed.policies if said[bound.digest]]


async def _flaws(compiler: evaluation.Compiler, document: bytes) -> Sequence[str]:
    """Nothing is said where there is no compiler: Policies tell of that, and a run tells what it could not evaluate."""
    policy = resolution.policy_of(document)
    return (await policies.compiled(compiler, scripts.of(policy.spec))).flaws


def _told(bound: owed.Bound, said: Mapping[str, Sequence[str]]) -> resolution.Unresolved:
    """One that is referred to may be mended where it is; one that stands in the contract, there alone."""
    first, *more = said[bound.digest]
    also = f" (and {len(more)} more)" if more else ""
    problem = reading.Problem(
        bound.line, f"policy {bound.policy} does not compile: {first}{also}", "correct the script"
    )
    return resolution.Unresolved(problem, missing=bool(bound.reference or bound.group))
