"""Detects the runner, selects the variables to record, and checks the runner type of the contract."""

from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from typing import NamedTuple

from avouch import errors
from avouch.runners import credentials, links, table
from avouch.tekton import downward


class Hosting(StrEnum):
    """Who operates the machine, in Chainloop's words."""

    MANAGED = "managed"
    SELF_HOSTED = "self-hosted"
    UNKNOWN = "unknown"


class Pod(NamedTuple):
    """What only a step of a Tekton TaskRun has: give one where the directory /tekton/results exists.

    `labels` come from the downward API or the pod's own object and stay empty if neither could be read.
    """

    namespace: str = ""
    labels: Mapping[str, str] = {}  # never changed


class Refusal(NamedTuple):
    """A variable that is not recorded, because its value looks like a credential. The value is never repeated."""

    name: str
    reason: str

    def __str__(self) -> str:
        return f"{self.name} looks like {self.reason}"


class Runner(NamedTuple):
    """The runner that was found. `type` is empty for the generic one; `missing`: required variables without a value."""

    type: str
    title: str
    url: str = ""
    hosting: Hosting = Hosting.UNKNOWN
    variables: tuple[tuple[str, str], ...] = ()
    missing: tuple[str, ...] = ()
    refused: tuple[Refusal, ...] = ()


def discover(environment: Mapping[str, str], pod: Pod | None = None) -> Runner:
    """The runner of this environment: the first row of the table that matches, else the generic one.

    Args:
        environment: all variables of the process.
        pod: what is known of the pod, inside a step of a Tekton TaskRun.
    """
    kind = next(row for row in table.RUNNERS if _fits(row, environment, pod))
    values = _values(kind, environment, pod or Pod())
    refused = tuple(_refused(values.items()))
    kept = values | {refusal.name: "" for refusal in refused}
    return Runner(
        type=str(kind.name),
        title=kind.title,
        url=_tekton_link(environment, kept) if kind.in_tekton else kind.link(environment),
        hosting=_hosting(kind, environment),
        variables=tuple((name, value) for name, value in kept.items() if value),
        missing=tuple(each.name for each in kind.variables if each.required and not values[each.name]),
        refused=refused,
    )


def enforce(wanted: str, found: Runner, *, dry_run: bool = False) -> None:
    """Check a contract's `runner.type` against the runner that was found. Empty accepts any; dry runs are exempt.

    Raises:
        Invalid: the contract requires another or an unknown runner.
    """
    if not wanted or dry_run:
        return
    kind = next((row for row in table.RUNNERS if row.name == wanted), None)
    if kind is None:
        known = ", ".join(str(row.name) for row in table.RUNNERS if row.name)
        message = f"unknown runner type {wanted[:64]!r}"
        raise errors.Invalid(message, field="spec.runner.type", fix=f"use one of {known}")
    if wanted != found.type:
        raise errors.Invalid(
            f'The contract expects the attestation to be crafted in a runner of type "{wanted}" but couldn\'t be '
            f"detected; this is {found.title}",
            field="spec.runner.type",
            fix=f"run it in {kind.title}, which is recognised by {recognised_by(kind)}, or try it with --dry-run",
        )


def recorded(
    found: Runner, environment: Mapping[str, str], allowed: Iterable[str] = (), *, skip_runner: bool = False
) -> dict[str, str]:
    """The variables that the attestation records: the runner's own and those of the contract's envAllowList.

    A required one without value, or one that looks like a credential, is an error; an optional one of the runner that
    looks like a credential is left out, since other people may have written it (such as the title of a merge request).

    Args:
        found: the runner.
        environment: all variables of the process.
        allowed: the contract's envAllowList; each of its variables must have a value.
        skip_runner: leave out the runner's own variables; then none of them is required either.

    Raises:
        Invalid: with the names of all offending variables, never their values.
    """
    wanted = tuple(dict.fromkeys(allowed))
    asked = {name: environment.get(name, "") for name in wanted}
    runners_own = {} if skip_runner else dict(found.variables)
    required = set(wanted) | (set() if skip_runner else _required(found.type))
    refused = [*_refused(asked.items()), *(() if skip_runner else found.refused)]
    secret = sorted({str(refusal) for refusal in refused if refusal.name in required})
    if secret:
        fix = "give the variable another value, or remove it from envAllowList: attestations must not contain secrets"
        raise errors.Invalid(f"refused to record: {'; '.join(secret)}", field="spec.envAllowList", fix=fix)
    absent = [name for name in wanted if not asked[name] and name not in runners_own]
    missing = [] if skip_runner else list(found.missing)
    if absent or missing:
        names = ", ".join(f'"{name}"' for name in dict.fromkeys([*missing, *absent]))
        message = f"required env variables not present {names}"
        raise errors.Invalid(message, field="spec.envAllowList" if absent else "", fix=_mend(found, missing))
    return dict(sorted({**asked, **runners_own}.items()))


def recognised_by(kind: table.RunnerType) -> str:
    """How a row of the table is recognised, in words."""
    if kind.in_tekton:
        return "the directory /tekton/results"
    return " and ".join(map(str, kind.marks)) or "nothing: it is used if no other row matches"


def hosting_of(claim: str) -> Hosting:
    """Hosting by `runner_environment` of a verified OIDC token; unknown without one.

    >>> hosting_of("github-hosted").value
    'managed'
    """
    if claim in ("github-hosted", "gitlab-hosted"):
        return Hosting.MANAGED
    return Hosting.SELF_HOSTED if claim == "self-hosted" else Hosting.UNKNOWN


def _fits(kind: table.RunnerType, environment: Mapping[str, str], pod: Pod | None) -> bool:
    if kind.in_tekton:
        return pod is not None
    return all(mark.seen(environment) for mark in kind.marks)


def _values(kind: table.RunnerType, environment: Mapping[str, str], pod: Pod) -> dict[str, str]:
    if not kind.in_tekton:
        return {each.name: environment.get(each.name, "") for each in kind.variables}
    values = {each.name: pod.labels.get(each.label, "") if each.label else "" for each in kind.variables}
    hostname = environment.get("HOSTNAME", "")
    return values | {
        "TEKTON_TASKRUN_NAME": values["TEKTON_TASKRUN_NAME"] or downward.task_run_of(hostname),
        "TEKTON_NAMESPACE": pod.namespace.strip(),
        "HOSTNAME": hostname,
    }


def _tekton_link(environment: Mapping[str, str], values: Mapping[str, str]) -> str:
    return links.tekton(
        environment.get("TEKTON_DASHBOARD_URL", ""),
        values["TEKTON_NAMESPACE"],
        values["TEKTON_PIPELINERUN_NAME"],
        values["TEKTON_TASKRUN_NAME"],
    )


def _hosting(kind: table.RunnerType, environment: Mapping[str, str]) -> Hosting:
    if kind.in_tekton and environment.get("KUBERNETES_SERVICE_HOST"):
        return Hosting.SELF_HOSTED
    return Hosting.UNKNOWN


def _refused(values: Iterable[tuple[str, str]]) -> Iterator[Refusal]:
    for name, value in values:
        reason = credentials.found(name, value)
        if reason:
            yield Refusal(name, reason)


def _required(runner_type: str) -> set[str]:
    row = next((row for row in table.RUNNERS if row.name == runner_type), table.RUNNERS[-1])
    return {each.name for each in row.variables if each.required}


def _mend(found: Runner, missing: list[str]) -> str:
    if "TEKTON_NAMESPACE" in missing or "TEKTON_TASKRUN_NAME" in missing:
        return "let the TaskRun's ServiceAccount get pods and mount its token, or let avouch inject its sidecar"
    where = f" in {found.title}" if missing else ""
    return f"set them{where} before init"
