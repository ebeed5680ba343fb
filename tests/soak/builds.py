"""Builds with the verdict that each of them must get, whatever breaks meanwhile."""

import random
from collections.abc import Callable
from dataclasses import dataclass

from tests.e2e import made
from tests.e2e.made import REPORT, pipelinerun, step, task
from tests.e2e.stage import Json

NONE = ""  # no Workflow covers it, so nothing is said about it
WORKFLOWS = (
    *made.gate(),
    made.contract("value", {"name": "value", "type": "STRING"}),
    made.workflow("value", "value", {"name": "value", "task": "make", "result": {"name": "said"}}),
    made.contract("maybe", {"name": "report", "type": "ARTIFACT", "optional": True}),
    made.workflow("maybe", "maybe", made.FROM_WORK),
)
_SAID = {"results": [{"name": "said"}]}
_SAY = "printf yes > $(results.said.path)"
_SLOW = "sleep 8"


@dataclass(frozen=True)
class Sort:
    """One sort of build.

    Attributes:
        verdict: the one that it must get; `NONE` where none may be given.
        of: makes the PipelineRun of a name.
        files: whether its evidence is a file, which only a sidecar can deliver.
    """

    verdict: str
    of: Callable[[str], Json]
    files: bool = False


SORTS = {
    "file": Sort("Passed", lambda name: pipelinerun(name, task("make", REPORT)), files=True),
    "slow-file": Sort("Passed", lambda name: pipelinerun(name, task("make", REPORT, _SLOW)), files=True),
    "no-file": Sort("Failed", lambda name: pipelinerun(name, task("make", "true")), files=True),
    "optional-file": Sort("Passed", lambda name: pipelinerun(name, task("make", "true"), workflow="maybe"), files=True),
    "value": Sort("Passed", lambda name: pipelinerun(name, _saying(_SAY), workflow="value")),
    "slow-value": Sort("Passed", lambda name: pipelinerun(name, _saying(_SAY, _SLOW), workflow="value")),
    "fails": Sort("Failed", lambda name: pipelinerun(name, _saying(_SAY, "exit 1"), workflow="value")),
    "goes-on": Sort(
        "Passed",
        lambda name: pipelinerun(name, task("make", step("exit 3", onError="continue"), REPORT)),
        files=True,
    ),
    "tries-again": Sort(
        "Passed",
        lambda name: pipelinerun(name, task("make", f"[ $(context.task.retry-count) = 1 ]\n{REPORT}", retries=1)),
        files=True,
    ),
    "times-out": Sort(
        "Failed",
        lambda name: pipelinerun(name, _saying(_SAY, "sleep 600", timeout="15s"), workflow="value"),
    ),
    "uncovered": Sort(NONE, lambda name: pipelinerun(name, task("make", REPORT), workflow="")),
}


def drawn(chance: random.Random) -> str:
    """The name of a sort."""
    return chance.choice(tuple(SORTS))


def _saying(*scripts: str, **more: str) -> Json:
    return task("make", *scripts, spec=_SAID, **more)
