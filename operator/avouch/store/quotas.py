"""What one namespace may keep open: checked in the transaction that adds to it.

Each check looks at the open runs of the namespace alone, and at no more of them than there may be, so its cost is
bounded by the quota itself. Two that come at the same moment may pass it by one each; nobody waits for that.
"""

import uuid
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from avouch import errors

# By the index `runs_by_verdict`, which has no run that passed.
_OPEN = (
    "SELECT id FROM runs WHERE namespace_uid = :namespace AND result = 'Pending' AND subject_kind = 'External'"
    " AND finished_at IS NULL"
)
_NUMBER = sa.text(f"SELECT count(*) FROM ({_OPEN} LIMIT :most) AS held")  # noqa: S608 - constants
_BYTES = sa.text(
    "SELECT coalesce(sum(octet_length(s.content)), 0) FROM run_states s"  # noqa: S608 - constants
    f" WHERE s.run_id IN ({_OPEN.replace(':namespace', '(SELECT namespace_uid FROM runs WHERE id = :run)')})"
)


@dataclass(frozen=True, slots=True)
class Quotas:
    """Of each namespace: external runs that are open at a time, and bytes of what their clients remember."""

    open_runs: int = 1000
    state_bytes: int = 256 * 1024 * 1024


async def check_open_runs(connection: AsyncConnection, namespace_uid: str, quotas: Quotas) -> None:
    """After a run was added. Raises errors.Denied."""
    bound = {"namespace": namespace_uid, "most": quotas.open_runs + 1}
    if (await connection.execute(_NUMBER, bound)).scalar_one() > quotas.open_runs:
        raise errors.Denied(
            f"the namespace has {quotas.open_runs} open runs, which is its quota",
            field="quotas.openRuns",
            fix="end some with avouch attestation reset or push, or ask for a larger quota",
        )


async def check_states(connection: AsyncConnection, run_id: uuid.UUID, quotas: Quotas) -> None:
    """After the state of a run was written. Raises errors.Denied."""
    if (await connection.execute(_BYTES, {"run": run_id})).scalar_one() > quotas.state_bytes:
        raise errors.Denied(
            f"the states of the namespace's open runs have more than {quotas.state_bytes} bytes, which is its quota",
            field="quotas.stateBytes",
            fix="end some runs, or keep the state in a file (--state)",
        )
