"""The condition contract: what a status may say, as verbs. Nothing else in the package writes a condition.

kstatus and GitOps tools read them in this order: an old observedGeneration, Reconciling, Stalled, Ready. So Reconciling
and Stalled are never set together, and both are present only while they are true. Waiting for something that may appear
by itself is Ready=False with Reconciling; Stalled means that only a person's edit helps.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

Json: TypeAlias = dict[str, Any]

READY, RECONCILING, STALLED = "Ready", "Reconciling", "Stalled"
LAST_RUN_PASSED, DELIVERING = "LastRunPassed", "Delivering"
POLICY_COMPILED, REFS_RESOLVED = "PolicyCompiled", "RefsResolved"
REACHABLE, WRITABLE = "Reachable", "Writable"
MATERIALS_KNOWN = "MaterialsKnown"  # written only while it is False
REFERENCES_FOUND = "ReferencesFound"  # written only while it is not True

# Reasons: programs compare them, so they never change.
SUCCEEDED = "Succeeded"
PROGRESSING = "Progressing"
PROGRESSING_WITH_RETRY = "ProgressingWithRetry"
DEPENDENCY_NOT_READY = "DependencyNotReady"
SUSPENDED = "Suspended"
INVALID_CONTRACT = "InvalidContract"
INVALID_INTEGRATION = "InvalidIntegration"
INVALID_PROJECTS = "InvalidProjects"
INVALID_POLICY = "InvalidPolicy"
COMPILED = "Compiled"
DOES_NOT_COMPILE = "DoesNotCompile"
SCRIPT_NOT_FOUND = "ScriptNotFound"  # what path or ref names is not there, or is no script
ENGINE_MISSING = "EngineMissing"
POLICY_NOT_READY = "PolicyNotReady"
RESOLVED = "Resolved"
POLICY_NOT_FOUND = "PolicyNotFound"
DIGEST_DIFFERS = "DigestDiffers"  # the policy that is there is not the one that was pinned
NOT_FETCHED = "NotFetched"  # from the web: not yet, or it failed
REFERENCE_ELSEWHERE = "ReferenceElsewhere"  # a provider, which nothing reads
WORKFLOW_NOT_FOUND = "WorkflowNotFound"
INVALID_SECRET = "InvalidSecret"  # noqa: S105 - a reason
SWITCHED_OFF = "SwitchedOff"
REVOKED = "Revoked"
EXPIRED = "Expired"

INVALID_BACKEND = "InvalidBackend"
CHECK_SUCCEEDED = "CheckSucceeded"
CHECK_FAILED = "CheckFailed"
DELIVERED = "Delivered"
DELIVERY_FAILED = "DeliveryFailed"
INVALID_SPEC = "InvalidSpec"
NOT_CHECKED = "NotChecked"  # the reasons of what leads nowhere are in `contract.mapping`

# What an object of each kind is called that cannot be read or recorded as it stands.
INVALID = {
    "APIToken": INVALID_SPEC,
    "CASBackend": INVALID_BACKEND,
    "Contract": INVALID_CONTRACT,
    "Integration": INVALID_INTEGRATION,
    "IntegrationAttachment": INVALID_SPEC,
    "Organization": INVALID_SPEC,
    "Policy": INVALID_POLICY,
    "PolicyException": INVALID_SPEC,
    "PolicyGroup": INVALID_POLICY,
    "Workflow": INVALID_SPEC,
}


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition without times; the status writer keeps those."""

    type: str
    status: str  # True | False | Unknown
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Desired:
    """What an object's status should say. `fields` are the kind's own; `recheck` asks for another look, in seconds.

    `requeue_dependents`: what others wait for was recorded, whether or not this status changes (a database made anew).
    """

    conditions: tuple[Condition, ...]
    fields: Json = field(default_factory=dict)
    recheck: float | None = None
    requeue_dependents: bool = False

    def having(self, *more: Condition, **fields: Any) -> "Desired":
        """The same with conditions and fields of the kind's own; fields that are None are left out."""
        kept = {name: value for name, value in fields.items() if value is not None}
        return replace(self, conditions=(*self.conditions, *more), fields={**self.fields, **kept})

    def status(self, generation: int) -> Json:
        """As JSON, each condition with the generation it speaks about."""
        listed = [
            {
                "type": c.type,
                "status": c.status,
                "reason": c.reason,
                "message": c.message,
                "observedGeneration": generation,
            }
            for c in self.conditions
        ]
        return {"observedGeneration": generation, "conditions": listed, **self.fields}


def several(said: Sequence[object], most: int = 5) -> str:
    """The first few of what is wrong for a message, and how many more there are.

    >>> several("abc"), several("abc", most=2)
    ('a; b; c', 'a; b; and 1 more')
    """
    more = [f"and {len(said) - most} more"] if len(said) > most else []
    return "; ".join([*map(str, said[:most]), *more])


def succeeded(message: str) -> Desired:
    """Ready: the spec is fulfilled."""
    return Desired((Condition(READY, "True", SUCCEEDED, message),))


def progressing(message: str) -> Desired:
    """Reconciling, for longer than a moment."""
    return Desired(
        (
            Condition(READY, "Unknown", PROGRESSING, message),
            Condition(RECONCILING, "True", PROGRESSING, message),
        )
    )


def waiting(message: str, recheck: float | None = None) -> Desired:
    """Something referred to is not there or not ready; it heals by itself when that appears."""
    return Desired(
        (
            Condition(READY, "False", DEPENDENCY_NOT_READY, message),
            Condition(RECONCILING, "True", DEPENDENCY_NOT_READY, message),
        ),
        recheck=recheck,
    )


def retrying(message: str) -> Desired:
    """A failure that another try may fix: of a dependency, or unexpected."""
    return Desired(
        (
            Condition(READY, "False", PROGRESSING_WITH_RETRY, message),
            Condition(RECONCILING, "True", PROGRESSING_WITH_RETRY, message),
        )
    )


def stalled(reason: str, message: str) -> Desired:
    """Only an edit of the object helps; the message names it."""
    return Desired((Condition(READY, "False", reason, message), Condition(STALLED, "True", reason, message)))


def suspended(current: Mapping[str, Any]) -> Desired:
    """The user said stop: Ready keeps its last value."""
    last = of(current, READY)
    return Desired((Condition(READY, last.get("status") or "Unknown", SUSPENDED, "spec.suspend is true"),))


def of(status: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    """The condition of this type in an object's status; empty where it has none."""
    return next((c for c in status.get("conditions") or () if c.get("type") == kind), {})


def holds(obj: Mapping[str, Any], kind: str) -> bool:
    """Whether the condition is True in this object."""
    return of(obj.get("status") or {}, kind).get("status") == "True"
