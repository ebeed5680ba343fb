"""`avouch workflow check`: names in a Workflow that lead nowhere, before its first run says that they are missing."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import click

from avouch import errors
from avouch.api import workflow as kind
from avouch.cli import contracts, declared, failures, objects, options, output, session, sources
from avouch.contract import mapping, reading

_RESOURCE = f"{kind.KIND.plural}.{kind.KIND.group}"
_TEKTON = "tekton.dev"
_GROUPS = "materials: which ones the policy groups of Contract {} bring is known where it is applied"
_HOME = "its Contract is in the organization's home namespace: name it with --contract FILE"


class Checked(NamedTuple):
    """One Workflow: what leads nowhere, and what could not be looked at."""

    name: str
    problems: Sequence[mapping.Problem]
    unchecked: Sequence[str]

    def as_json(self) -> dict[str, Any]:
        """As JSON holds it."""
        fields = ("reason", "field", "message", "fix")
        found = [{field: getattr(problem, field) for field in fields} for problem in self.problems]
        return {"workflow": self.name, "problems": found, "unchecked": list(self.unchecked)}


@click.command(cls=options.Command)
@objects.named("workflow", needed=False)
@click.option("-f", "--filename", "files", multiple=True, type=click.Path(), metavar="FILE|DIR|URL|-",
              help="Files with Workflows, and what they name if you like, instead of the cluster.")  # fmt: skip
@click.option("--contract", default="", metavar="FILE|NAME", help="The Contract; default: that of the Workflow.")
@click.option("--offline", is_flag=True, help="Do not ask the cluster: Contracts come from files alone.")
@options.output("table", "json", "yaml")
@session.given
def check(started: session.Session, name: str, files: tuple[str, ...], form: str, **said: Any) -> int:
    """Check a Workflow against its Contract, and against the Pipelines and Tasks of the cluster.

    \b
    avouch workflow check release                  the Workflow in the cluster
    avouch workflow check -f deploy/               files, before they are applied: Contracts, Pipelines and Tasks
                                                   among them count

    Tells what the controller would tell in the Workflow's conditions: a Contract that does not exist, materials and
    annotations that the Contract does not have, pipelines, tasks, results, workspaces and params that do not exist,
    each with the name that was meant. A Workflow may be ahead of its Pipeline, so nothing is refused for it. Exits with
    1 if there is a problem.
    """  # noqa: D301  # click reads the backspace
    if bool(name) == bool(files):
        raise click.UsageError("give the name of a Workflow, or -f FILE")
    found = declared.manifests(sources.read(started, files), among_others=True) if files else []
    workflows = [each for each in found if declared.is_ours(each) and each.get("kind") == kind.KIND.name]
    workflows += [started.cluster.get(_RESOURCE, name)] if name else []
    if not workflows:
        raise errors.Invalid("there is no Workflow in these files", field="--filename", fix="name the Workflow's file")
    offline = said["offline"]
    here = _here(started, offline)
    beside = [each for each in found if objects.text(each, "metadata", "namespace") in ("", here)]
    around = _Around(found, said["contract"], offline, here, *_definitions(started, offline, beside))
    checked = [_checked(started, each, around) for each in workflows]
    if form == "table":
        output.lines([line for each in checked for line in _lines(each)])
    else:
        output.document(form, [each.as_json() for each in checked])
    number = sum(len(each.problems) for each in checked)
    click.echo(f"{len(checked)} Workflow(s): {number} problem(s)", err=True)
    return failures.FAILED if number else failures.OK


class _Around(NamedTuple):
    """What a Workflow is held against. `away`: why the definitions of the cluster, in `here`, are not known."""

    found: Sequence[declared.Manifest]
    contract: str
    offline: bool
    here: str
    definitions: mapping.Definitions
    away: str


def _checked(started: session.Session, workflow: Mapping[str, Any], around: _Around) -> Checked:
    name = objects.text(workflow, "metadata", "name")
    spec = kind.WorkflowSpec.read(objects.part(workflow, "spec"), f"Workflow {name}")
    namespace = objects.text(workflow, "metadata", "namespace") or around.here
    elsewhere = bool(around.here) and namespace != around.here
    asked = _asked(started, name, spec, around._replace(offline=True) if elsewhere else around)
    match asked:
        case mapping.Asked():
            problems, why = (
                mapping.against_contract(spec, asked),
                _GROUPS.format(asked.name) if asked.unresolved else "",
            )
        case mapping.Problem():
            problems, why = (asked,), ""
        case _:
            problems, why = (), asked
    away = around.away
    if elsewhere:
        away = f"it is of namespace {namespace}, and {around.here} was asked: say -n {namespace}"
    looked = mapping.Looked() if away else mapping.against_definitions(spec, namespace, around.definitions)
    unchecked = [each for each in (why, away, *looked.unchecked) if each]
    return Checked(name, (*problems, *looked.problems), unchecked)


def _asked(
    started: session.Session, name: str, spec: kind.WorkflowSpec, around: _Around
) -> mapping.Asked | mapping.Problem | str:
    """The names of its Contract; that it is not there; or why that cannot be told."""
    reference = spec.contract_ref
    wanted = around.contract or (reference.name if reference else name)
    if sources.is_file(wanted):
        return mapping.asked_by(reading.read(declared.contract(started, wanted, fallback="contract")))
    beside = {objects.text(each, "metadata", "name"): each for each in around.found if each.get("kind") == "Contract"}
    if wanted not in beside and not around.contract and reference is not None and reference.scope == "Organization":
        return _HOME
    if wanted not in beside and around.offline:
        return f"Contract {wanted} is not in these files"
    try:
        if wanted in beside:
            return mapping.asked_by(reading.read(beside[wanted]))
        applied = started.cluster.get(contracts.RESOURCE, wanted)
        return mapping.asked_by(reading.read(applied), _owed(applied))
    except errors.NotFound as exc:
        if reference is None and not around.contract:  # then the controller makes an empty one
            return f"Contract {wanted}: {exc}"
        text = f"there is no Contract {wanted}, and without it no run is opened"
        known = (*_contracts(started), *beside)
        return mapping.Problem("ContractNotFound", "spec.contractRef", text, "apply it", wanted, known)
    except (errors.Denied, errors.Unavailable, errors.NotInstalled) as exc:
        return f"Contract {wanted}: {exc}"


def _owed(contract: declared.Manifest) -> Sequence[str] | None:
    """The names of all materials that a Contract owes, those of policy groups among them, where its status has them."""
    shown = objects.part(contract, "status", "resolved")
    if not shown or shown.get("moreMaterials") or not objects.seen(contract):
        return None
    return [str(each["name"]) for each in shown.get("materials") or ()]


def _contracts(started: session.Session) -> Sequence[str]:
    """The names of Contracts that may be meant, as far as they may be listed."""
    try:
        return list(_named(started.cluster.list(contracts.RESOURCE)))
    except errors.AvouchError:
        return ()


def _here(started: session.Session, offline: bool) -> str:
    """The namespace that the cluster is asked about; "" where it is not, or cannot be, asked."""
    try:
        return "" if offline else started.cluster.namespace()
    except errors.AvouchError:  # whoever asks next says why
        return ""


def _definitions(
    started: session.Session, offline: bool, beside: Sequence[declared.Manifest]
) -> tuple[mapping.Definitions, str]:
    """The Pipelines and Tasks of the namespace, with those of the files beside; where they cannot be read, why."""
    if offline:
        return mapping.Definitions(), "the cluster was not asked (--offline)"
    try:
        pipelines, tasks = (
            [*started.cluster.list(f"{plural}.{_TEKTON}"), *_of_tekton(beside, one)]
            for plural, one in (("pipelines", "Pipeline"), ("tasks", "Task"))
        )
    except errors.AvouchError as exc:
        return mapping.Definitions(), f"Pipelines and Tasks could not be read: {exc}"
    return mapping.Definitions(_named(pipelines), _named(tasks)), ""


def _of_tekton(beside: Sequence[declared.Manifest], wanted: str) -> list[declared.Manifest]:
    head = f"{_TEKTON}/"
    return [each for each in beside if each.get("kind") == wanted and str(each.get("apiVersion")).startswith(head)]


def _named(found: list[objects.Manifest]) -> dict[str, objects.Manifest]:
    return {objects.text(each, "metadata", "name"): each for each in found}


def _lines(checked: Checked) -> list[str]:
    told = [f"  {problem.reason}: {problem.field}: {problem.message}" for problem in checked.problems]
    fixes = [f"    fix: {problem.fix}" for problem in checked.problems]
    paired = [line for pair in zip(told, fixes, strict=True) for line in pair]
    head = "ok" if not checked.problems else f"{len(checked.problems)} problem(s)"
    return [f"{checked.name}: {head}", *paired, *(f"  not checked: {each}" for each in checked.unchecked)]
