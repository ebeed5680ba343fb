"""One caller and the one run it may speak about, resolved once for a request and before a byte of its body is read.

The version of a run's id says who speaks about it: the pods of a TaskRun or PipelineRun (`pod_runs.PodRuns`), or the
attester that opened an external run (`external_runs.ExternalRuns`). What follows is the same for both
(`submissions.Intake`).
"""

import uuid
from dataclasses import dataclass
from enum import Enum, auto

from avouch.attestation import identity
from avouch.controlplane.model import artifacts, runs
from avouch.controlplane.model import external as external_model


class Need(Enum):
    """What a request wants of a run; each includes those before it."""

    READ = auto()  # the run is the caller's
    ATTEST = auto()  # its Workflow lets the caller attest
    ADD = auto()  # and a run that ends with one bundle has not ended


@dataclass(frozen=True, slots=True)
class RunSession:
    """A run and the caller that was found to own it.

    Attributes:
        run: as stored.
        signer: whom the session's certificates name, and who must have signed its bundles.
        caller: the pod that calls; None for an external run.
        external: what only an external run has; None for any other.
    """

    run: runs.Run
    signer: identity.Identity
    caller: runs.Caller | None = None
    external: external_model.Stored | None = None

    @property
    def owner(self) -> artifacts.Owner:
        """Whose artifacts this session stores."""
        return artifacts.Owner(self.run.namespace, self.run.namespace_uid, self.run.id)


def is_external(run_id: uuid.UUID) -> bool:
    """Whether an id is that of an external run (`runs.RunKey.id`)."""
    return run_id.version == 8
