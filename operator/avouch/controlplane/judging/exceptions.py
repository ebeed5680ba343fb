"""Declared exceptions, held against what policies said of a run. Pure.

Only what a PolicyException says that is in force when the run is judged: a client asks for none, and none is assumed.
Violations and errors stand as they are; one that is covered fails no run.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TypeAlias

from avouch import rfc3339
from avouch.controlplane.judging import examination
from avouch.controlplane.model import policies, policyexceptions


def applied(case: examination.Case, now: datetime) -> examination.Case:
    """The case, in which each gated evaluation that did not pass names the exception that covers it."""
    if not case.evaluations or not case.exceptions:
        return case
    lasting = _by_what_they_cover(case.exceptions, now)
    return replace(case, evaluations=tuple(_with(one, lasting) for one in case.evaluations))


_Covers: TypeAlias = tuple[str, str, str | None]
"""A policy, its digest or "" for any, and a material or None for any."""


def _by_what_they_cover(
    declared: Sequence[policyexceptions.PolicyException], now: datetime
) -> Mapping[_Covers, policyexceptions.PolicyException]:
    """Those in force, the one that ends last of each: many of them are looked through once, not for each evaluation."""
    found: dict[_Covers, policyexceptions.PolicyException] = {}
    for each in declared:
        if now < each.expires_at:
            for material in each.materials or (None,):
                key = (each.policy, each.digest, material)
                if key not in found or found[key].expires_at < each.expires_at:
                    found[key] = each
    return found


def _with(one: policies.Evaluation, lasting: Mapping[_Covers, policyexceptions.PolicyException]) -> policies.Evaluation:
    keys = [(one.policy, digest, material) for digest in ("", one.digest) for material in (None, one.material)]
    covering = [lasting[key] for key in keys if key in lasting] if one.gate and one.bad else []
    if not covering:
        return replace(one, exception=None)
    ends = max(each.expires_at for each in covering)
    last = min((each for each in covering if each.expires_at == ends), key=lambda each: each.name)
    told = policies.Excepted(last.name, last.granted_by, last.reason, rfc3339.to_seconds(last.expires_at))
    return replace(one, exception=told)


def words(found: policies.Excepted) -> str:
    """Whose exception it is, until when, and why."""
    return f"excepted by PolicyException {found.name} of {found.granted_by} until {found.expires_at}: {found.reason}"
