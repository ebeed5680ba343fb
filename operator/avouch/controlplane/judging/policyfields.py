"""What policies said, as Chainloop's predicate has it: evaluations by material, and what they come to. Pure.

One that could not be evaluated is a violation there, because that predicate knows no error: nothing that reads it takes
it for passed. Violations that a PolicyException excepts keep standing: where all that would block are excepted, the
block is bypassed, and what reads it says BYPASSED.
"""

import json
from collections.abc import Mapping, Sequence

from avouch.controlplane.model import policies

WHOLE = "CHAINLOOP.ATTESTATION"  # the key of what is said of the attestation as a whole
EXCEPTION = "avouch.dev/exception"  # before the annotations of an evaluation that tell of its PolicyException


def of(evaluations: Sequence[policies.Evaluation]) -> Mapping[str, object]:
    """The fields of the predicate; the counters as Chainloop counts them."""
    by_material: dict[str, list[object]] = {}
    for one in evaluations:
        by_material.setdefault(one.material or WHOLE, []).append(_evaluation(one))
    bad = [one for one in evaluations if one.bad]
    gated = [one for one in bad if one.gate]
    blocking = [one for one in gated if one.exception is None]
    return {
        "policyEvaluations": by_material,
        "policyEvaluationsCount": len(evaluations),
        "policyViolationsCount": sum(_number(one) for one in bad),
        "policySkippedCount": _count(evaluations, policies.Status.SKIPPED),
        "policyPassedCount": _count(evaluations, policies.Status.PASSED),
        "policyHasViolations": bool(bad),
        "policyHasGatedViolations": bool(gated),
        "policyHasGates": any(one.gate for one in evaluations),
        "policyCheckBlockingStrategy": "ENFORCED" if any(one.gate for one in evaluations) else "ADVISORY",
        "policyBlockBypassEnabled": bool(gated) and not blocking,
        "policyAttBlocked": bool(blocking),
    }


def _count(evaluations: Sequence[policies.Evaluation], status: policies.Status) -> int:
    return sum(one.status is status for one in evaluations)


def _number(one: policies.Evaluation) -> int:
    return 1 if one.status is policies.Status.ERROR else len(one.violations) + one.more


def _evaluation(one: policies.Evaluation) -> dict[str, object]:
    said: dict[str, object] = {
        "name": one.policy,
        "materialName": one.material,
        "policyReference": _reference(one.policy, one.reference, one.digest),
        "groupReference": {"name": one.group} if one.group else {},
        "violations": _violations(one),
        "with": dict(one.inputs),
        "skipped": one.status is policies.Status.SKIPPED,
        "skipReasons": [one.reason] if one.status is policies.Status.SKIPPED and one.reason else [],
        "requirements": list(one.requirements),
        "gate": one.gate,
        "annotations": _exception(one.exception),
    }
    return {key: value for key, value in said.items() if value or key in ("gate", "skipped")}


def _exception(found: policies.Excepted | None) -> dict[str, str]:
    if found is None:
        return {}
    said = {"name": found.name, "granted-by": found.granted_by, "reason": found.reason, "expires-at": found.expires_at}
    return {f"{EXCEPTION}.{key}": value for key, value in said.items()}


def _reference(name: str, uri: str, digest: str) -> dict[str, object]:
    algorithm, _, value = digest.partition(":")
    return {"name": name, "digest": {algorithm: value}, **({"uri": uri} if uri else {})}


def _violations(one: policies.Evaluation) -> list[dict[str, object]]:
    if one.status is policies.Status.ERROR:
        return [{"subject": one.policy, "message": f"not evaluated: {one.reason}"}]
    told = [_violation(one.policy, each) for each in one.violations]
    if not one.more:
        return told
    return [*told, {"subject": one.policy, "message": f"and {one.more} more"}]


def _violation(policy: str, found: policies.Violation) -> dict[str, object]:
    said: dict[str, object] = {"subject": policy, "message": found.message}
    return {**said, "finding": json.loads(found.finding)} if found.finding else said
