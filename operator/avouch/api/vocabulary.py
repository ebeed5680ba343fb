"""The enumerations of contracts and verdicts. The table in `materials.types` defines each material type."""

from enum import StrEnum

from avouch.materials import types

_MATERIALS = {each.name: each.name for each in types.MATERIALS}
MaterialType = StrEnum("MaterialType", _MATERIALS)  # type: ignore[misc]  # mypy wants to see the names
MaterialType.__doc__ = "Every material type that Chainloop knows, in the order of its wire numbers (STRING is 1)."


class RunnerType(StrEnum):
    """Runner types that a contract may require, in the order of Chainloop's wire numbers."""

    GITHUB_ACTION = "GITHUB_ACTION"
    GITLAB_PIPELINE = "GITLAB_PIPELINE"
    AZURE_PIPELINE = "AZURE_PIPELINE"
    JENKINS_JOB = "JENKINS_JOB"
    CIRCLECI_BUILD = "CIRCLECI_BUILD"
    DAGGER_PIPELINE = "DAGGER_PIPELINE"
    TEAMCITY_PIPELINE = "TEAMCITY_PIPELINE"
    TEKTON_PIPELINE = "TEKTON_PIPELINE"
    CHAINLOOP_SANDBOX = "CHAINLOOP_SANDBOX"


class Enforcement(StrEnum):
    """What a verdict that is not Passed does to the builds of a Workflow, the least first."""

    OBSERVE = "observe"  # it is recorded and shown
    WARN = "warn"  # and told loudly
    GATE = "gate"  # and the command that pushes fails


class VerdictName(StrEnum):
    """The verdicts that are final, as an IntegrationAttachment's `verdicts` names them."""

    PASSED = "Passed"
    FAILED = "Failed"
    REJECTED = "Rejected"
    ERROR = "Error"
    UNOBSERVED = "Unobserved"
    EXPIRED = "Expired"
    CANCELED = "Canceled"
