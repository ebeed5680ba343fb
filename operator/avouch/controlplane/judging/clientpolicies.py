"""What clients say of policies that they evaluated themselves: kept beside what the server found, never trusted. Pure.

Chainloop's command line writes its own results into the statement that it signs. They are compared by the policy's name
and the material: its digest is that of a file, ours that of what the policy says. What is written otherwise than
Chainloop writes it says nothing.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import islice
from typing import TypeAlias

from avouch import findings
from avouch.controlplane.judging import examination, policyfields
from avouch.controlplane.model import policies
from avouch.findings import Finding

MOST = 1000  # evaluations of one claim that are looked at: as many as the server makes
Key: TypeAlias = tuple[str, str]  # names of a policy and of a material; "": the attestation as a whole
_OPPOSITE = {policies.Status.PASSED: policies.Status.VIOLATED, policies.Status.VIOLATED: policies.Status.PASSED}
_BY_WEIGHT = (policies.Status.SKIPPED, policies.Status.PASSED, policies.Status.VIOLATED)  # the last one counts


def beside(case: examination.Case) -> examination.Case:
    """The case, in which each evaluation of the server tells what a client says of the same."""
    if not case.evaluations:
        return case
    said = _said(case)
    told = (replace(one, client=str(said.get((one.policy, one.material), ""))) for one in case.evaluations)
    return replace(case, evaluations=tuple(told))


def differences(case: examination.Case, _examined: examination.Examined) -> Iterator[Finding]:
    """Policies of which a client says the opposite of what the server found."""
    for one in case.evaluations or ():
        if one.client and one.client == _OPPOSITE.get(one.status):
            of = findings.of_policy(one.policy, one.material)
            text = f"{of}: the client says {one.client}, the server found {one.status}, which counts"
            yield Finding("PolicyEvaluationDiffers", text, one.line, "", one.material)


def asked_to_bypass(case: examination.Case) -> bool:
    """Whether a client asks that violations block nothing."""
    return any(said.facts.policy.get("policyBlockBypassEnabled") is True for said in case.said if said.facts)


def _said(case: examination.Case) -> Mapping[Key, policies.Status]:
    """What all claims say; of several answers on one key, the worst."""
    found: dict[Key, policies.Status] = {}
    for said in case.said:
        of_claim = _of_claim(said.facts.policy.get("policyEvaluations")) if said.facts else iter(())
        for key, status in islice(of_claim, MOST):
            found[key] = max(status, found.get(key, status), key=_BY_WEIGHT.index)
    return found


def _of_claim(said: object) -> Iterator[tuple[Key, policies.Status]]:
    for material, listed in said.items() if isinstance(said, Mapping) else ():
        for one in listed if isinstance(listed, list) else ():
            if isinstance(one, Mapping) and isinstance(name := one.get("name"), str):
                yield (name, "" if material == policyfields.WHOLE else material), _status(one)


def _status(one: Mapping[str, object]) -> policies.Status:
    if one.get("violations"):
        return policies.Status.VIOLATED
    return policies.Status.SKIPPED if one.get("skipped") else policies.Status.PASSED
