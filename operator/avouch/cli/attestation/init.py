"""`avouch attestation init`: open a run on the server, and begin its attestation here."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import click

from avouch import errors
from avouch.attestation import predicate, statement
from avouch.cli import failures, options, output, session
from avouch.cli.attestation import common, ports, showing
from avouch.crafting import adding, run, state, statestore, uploads
from avouch.runners import detection, pullrequests

_LARGEST_FILE = 1024 * 1024  # bytes of one of them
_FILES = (".avouch.yml", ".avouch.yaml", ".chainloop.yml", ".chainloop.yaml")
_PR_INFO = pullrequests.EVIDENCE
OPTIONS: options.Declared = (
    (("--workflow",), {"required": True, "metavar": "NAME", "help": "Workflow of the run."}),
    (
        ("--contract-revision",),
        {"type": click.IntRange(min=0), "default": 0, "metavar": "N",
         "help": "Contract revision to attest against; default: the newest."},
    ),
    (
        ("--version",),
        {"default": "", "metavar": "TEXT",
         "help": "Project version; default: projectVersion in .avouch.yml or .chainloop.yml, else v0."},
    ),
    (("--existing-version", "existing"), {"is_flag": True, "help": "Fail if the version does not exist yet."}),
    (("--latest-version", "latest"), {"is_flag": True, "help": "Use the project's latest version."}),
    (
        ("--mark-latest/--no-mark-latest", "mark_latest"),
        {"default": None, "help": "Make the version the project's latest one, or do not."},
    ),
    (
        ("--release",),
        {"is_flag": True, "help": "Release the version with this attestation; it accepts no further attestations."},
    ),
    (("--dry-run",), {"is_flag": True, "help": "Record nothing on the server; accept any runner."}),
    (
        ("--pr", "pull_request"),
        {"is_flag": True, "help": "Mark the run as one of a pull request, even if the CI does not."},
    ),
)  # fmt: skip


class Asked(NamedTuple):
    """The run that the user asked for."""

    workflow: str
    revision: int
    version: run.VersionRequest
    release: bool
    dry_run: bool
    pull_request: bool


@click.command(cls=common.Command)
@options.several(OPTIONS)
@click.option(
    "--remote-state", "remote", is_flag=True, help="Keep the state on the server, for jobs whose steps share no disk."
)
@click.option("-f", "--replace", is_flag=True, help="Replace an attestation that is already in progress.")
@click.option(
    "--local-state-path", "path", type=click.Path(dir_okay=False), default="", metavar="FILE",
    help="State file of the attestation [AVOUCH_ATTESTATION_STATE].",
)  # fmt: skip
@options.output("table", "json", "yaml")
@session.given
def init(started: session.Session, /, **said: Any) -> int:
    """Open a run and begin its attestation.

    Prints what the contract requires, each piece with the command that adds it. `avouch attest` does init, add and push
    in one command.
    """
    form, path, remote = said["form"], said["path"], said["remote"]
    _check_place(said)
    asked = asked_for(said)
    adapters = common.adapters(started)
    local = None if remote else adapters.local(path)
    if local is not None and not said["replace"]:
        _require_none(local)
    begun = begin(started, adapters, asked)
    with ended_on_failure(started, adapters, begun):
        kept = local or adapters.remote(begun.run.id)
        kept.create(begun, replace=said["replace"])
    way = showing.way(common.Place(path, begun.run.id if remote else ""))
    if form == "table":
        showing.show(begun, way)
    else:
        output.document(form, showing.as_json(begun, way))
    return failures.OK


def begin(started: session.Session, adapters: ports.Adapters, asked: Asked) -> state.State:
    """Open a run and make its first state; the run is ended at once if there can be none.

    Raises:
        AvouchError: the server refuses, or the contract asks for another runner or for variables that are not set.
    """
    pod = started.adapters.pod()
    found = detection.discover(started.environment, None if pod is None else detection.Pod(*pod))
    job = adapters.job(started.environment, found.type)
    common.note(started, *job.notes)
    server = adapters.server()
    run = _open(server, adapters, asked, found, job)
    common.note(started, *(f"{each.message}{f' (fix: {each.fix})' if each.fix else ''}" for each in run.findings))
    empty = state.State(run, adapters.now(), server.address, found.type, found.url, asked.dry_run)
    with ended_on_failure(started, adapters, empty):
        return _begin(started, asked, Facts(empty, server, found, job))


@contextmanager
def ended_on_failure(started: session.Session, adapters: ports.Adapters, begun: state.State) -> Iterator[None]:
    """End the run if the attestation fails, so that it does not stay open for a day until it expires."""
    try:
        yield
    except KeyboardInterrupt:
        if _end(started, adapters, begun, "cancellation", "interrupted"):
            common.note(started, f"interrupted: the run {begun.run.name} is recorded as canceled")
        raise
    except Exception as exc:
        _end(started, adapters, begun, "failure", str(exc)[:500])
        raise


class Facts(NamedTuple):
    """What a first state is made from."""

    empty: state.State
    server: ports.Server
    runner: detection.Runner
    job: ports.JobFacts


def project_version(content: Mapping[str, Any], name: str) -> str:
    """The version that a project's file holds, as it is written there: 1.10 is another version than 1.1.

    Raises:
        Invalid: it is a list or a mapping.
    """
    found = content.get("projectVersion")
    if not isinstance(found, str | None):
        raise errors.Invalid("must be text", field=f"{name}: projectVersion", fix='write projectVersion: "1.2.3"')
    return found or ""


def _check_place(said: Mapping[str, Any]) -> None:
    if said["dry_run"] and said["remote"]:
        fix = "remove --dry-run or --remote-state"
        raise errors.Invalid("a dry run is not kept on the server", field="--remote-state", fix=fix)
    if said["path"] and said["remote"]:
        fix = "remove --local-state-path or --remote-state"
        raise errors.Invalid("two places for the state", field="--remote-state", fix=fix)


def asked_for(said: Mapping[str, Any]) -> Asked:
    """The run that the options describe.

    Raises:
        Invalid: options that contradict each other, or a version file that cannot be read.
    """
    name = said["version"] or ("" if said["latest"] else _version_of_file())
    return Asked(
        said["workflow"],
        said["contract_revision"],
        run.VersionRequest(name, said["existing"], said["latest"], said["mark_latest"]),
        said["release"],
        said["dry_run"],
        said["pull_request"],
    )


def _version_of_file() -> str:
    """From the nearest file of the project, in this directory or in one above it, up to the root of its repository."""
    here = Path.cwd()
    for folder in (here, *here.parents):
        for name in _FILES:
            file = folder / name
            if file.is_file():
                return _read_version(file)
        if (folder / ".git").exists():
            break
    return ""


def _read_version(file: Path) -> str:
    from avouch.materials.readers import yamls  # lazy: 29 ms (YAML), and few projects have such a file

    with file.open("rb") as opened_file:
        content = opened_file.read(_LARGEST_FILE + 1)
    if len(content) > _LARGEST_FILE:
        raise errors.TooLarge(f"more than {_LARGEST_FILE} bytes", field=str(file))
    try:
        found = yamls.texts(content)
    except errors.Invalid as exc:
        raise errors.Invalid(exc.args[0], field=str(file), fix=exc.fix) from exc
    return project_version(found, file.name) if isinstance(found, Mapping) else ""


def _require_none(kept: statestore.StateStore) -> None:
    try:
        kept.load()
    except errors.NotFound:
        return
    except errors.Invalid as exc:
        raise errors.Conflict(f"{exc} (fix: init --replace)") from exc
    raise statestore.exists(kept.place)


def _open(
    server: ports.Server,
    adapters: ports.Adapters,
    asked: Asked,
    found: detection.Runner,
    job: ports.JobFacts,
) -> run.Run:
    namespace = adapters.namespace()
    if not namespace:
        fix = "give --namespace (Chainloop's --project), or set AVOUCH_NAMESPACE"
        raise errors.Invalid("no namespace is known", field="--namespace", fix=fix)
    request = run.RunRequest(
        adapters.new_id(),
        asked.revision,
        found.type,
        found.url,
        job.identity_token,
        asked.version,
        asked.release,
        asked.dry_run,
    )
    return server.open(namespace, asked.workflow, request)


def _begin(started: session.Session, asked: Asked, facts: Facts) -> state.State:
    job = facts.job
    detection.enforce(facts.empty.run.plan.runner, facts.runner, dry_run=asked.dry_run)
    begun = state.begin(facts.empty._replace(env=_variables(started, asked, facts), commit=_head(job)))
    if not (asked.pull_request or job.pull_request or pullrequests.is_pull_request(started.environment)):
        return begun
    begun = adding.annotate(begun, {pullrequests.ANNOTATION: "true"}).state
    return _with_pull_request(started, begun, facts)


def _variables(started: session.Session, asked: Asked, facts: Facts) -> dict[str, str]:
    run = facts.empty.run
    try:
        return detection.recorded(
            facts.runner, started.environment, run.plan.env, skip_runner=run.skip_runner_variables
        )
    except errors.Invalid as exc:
        if not asked.dry_run:
            raise
        failures.show(started, str(exc), kind="warning")
        return {}


def _head(job: ports.JobFacts) -> statement.ResourceDescriptor | None:
    commit = job.commit
    return predicate.git_head(commit.head, commit.annotations()) if commit and len(commit.head) == 40 else None


def _with_pull_request(started: session.Session, begun: state.State, facts: Facts) -> state.State:
    """What is known of the pull request, as a material: best effort, it never stops a build."""
    request = facts.job.pull_request
    if request is None:
        return begun
    content = pullrequests.content(request)
    from avouch.cli.attestation import gathering  # lazy: 17 ms (readers), for pull requests only

    try:
        found = gathering.of_bytes(request.material, _PR_INFO, f"{request.material}.json", content)
        change = adding.add(begun, adding.asked(begun, request.material, _PR_INFO, 0), found.gathered, {})
        added = change.state.of(request.material)
        if added is not None and added.storage == "uploaded" and found.source is not None:
            facts.server.upload(begun.run.id, found.source, uploads.quiet)
    except errors.AvouchError as exc:
        failures.show(started, f"the pull request is not recorded: {exc}", kind="warning")
        return begun
    return change.state


def _end(started: session.Session, adapters: ports.Adapters, begun: state.State, trigger: str, reason: str) -> bool:
    """End a run; whether this did."""
    if begun.dry_run:
        return False
    run = begun.run
    try:
        adapters.server(begun.server).reset(run.id, trigger, reason)
    except (errors.NotFound, errors.Conflict) as exc:
        common.note(started, f"the run {run.name} had ended already: {exc}")
    except errors.AvouchError as exc:
        failures.show(started, f"the run {run.name} stays open until it expires: {exc}", kind="warning")
    else:
        return True
    return False
