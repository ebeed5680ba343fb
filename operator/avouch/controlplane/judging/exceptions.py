"""Declared exceptions, held against what policies said of a run. Pure.

Only what a PolicyException says that is in force when the run is judged: a client asks for none, and none is assumed.
Violations and errors stand as they are; one that is covered fails no run.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from avouch import rfc3339
from avouch.controlplane.judging import examination
from avouch.controlplane.model import policies, policyexceptions


def applied(case: examination.Case, now: datetime) -> examination.Case:
    """The case, in which each gated evaluation that did not pass names the exception that covers it."""
    if not case.evaluations or not case.exceptions:
        return case
    return replace(case, evaluations=tuple(_with(one, case.exceptions, now) for one in case.evaluations))


def _with(
    one: policies.Evaluation, declared: Sequence[policyexceptions.PolicyException], now: datetime
) -> policies.Evaluation:
    covering = [each for each in declared if each.covers(one, now)] if one.gate and one.bad else []
    if not covering:
        return replace(one, exception=None)
    last = max(covering, key=lambda each: each.expires_at)
    told = policies.Excepted(last.name, last.granted_by, last.reason, rfc3339.to_seconds(last.expires_at))
    return replace(one, exception=told)


def words(found: policies.Excepted) -> str:
    """Whose exception it is, until when, and why."""
    return f"excepted by PolicyException {found.name} of {found.granted_by} until {found.expires_at}: {found.reason}"
