"""`avouch policy test`: what policies say of the materials in tables beside them, by the engine that the server has."""

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from avouch import errors
from avouch.api import policy as kind
from avouch.cli import failures, options, output, policyengines, policyfiles, session, sources
from avouch.policy import documents, evaluation, expectations, scripts, tables
from avouch.values import dataclass

_MOST = 64 * 1024 * 1024  # bytes of a report


@dataclass(frozen=True, slots=True)
class Tested:
    """What became of a case. `differences`: none where the policy says what is expected."""

    file: str
    policy: str
    case: tables.Case
    differences: Sequence[str]
    seconds: float

    @property
    def passed(self) -> bool:
        """Whether the policy says what is expected."""
        return not self.differences


@click.command(cls=options.Command)
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True), metavar="FILE|DIR...")
@click.option("--run", "part", default="", metavar="TEXT", help="Only cases with this in their name.")
@policyengines.server_option
@policyengines.allow_host
@options.output("table", "json", "junit")
@session.given
def test(started: session.Session, files: tuple[str, ...], part: str, form: str, **said: Any) -> int:
    """Test policies against tables of materials.

    \b
    avouch policy test sbom-freshness.test.yaml
    avouch policy test policies/

    A table is a file NAME.test.yaml beside the policy; avouch policy init --test prints one. A folder stands for all
    that lie below it. Each case is judged in OPA on this machine, without a cluster: `opa` on PATH, or the program
    that AVOUCH_OPA names. With --on-server each is judged in the server's OPA, which needs the right to create
    policyreviews. Exits with 1 if a case fails.
    """  # noqa: D301  # click reads the backspace
    found = [(path, _read(started, path)) for path in _tables(files)]
    began = time.monotonic()
    tested, engine = asyncio.run(_tested(started, found, part, policyengines.Where(**said)))
    if not tested:
        raise errors.Invalid(f"no case has {part!r} in its name", field="--run", fix="leave --run out")
    if form == "json":
        output.document("json", [_as_json(each) for each in tested])
    elif form == "junit":
        click.echo(_as_junit(tested))
    else:
        output.lines(list(_lines(tested)))
    failed = sum(not each.passed for each in tested)
    told = f"{failed} failed" if failed else "all passed"
    seconds = time.monotonic() - began
    click.echo(f"{len(tested)} case(s) of {len(found)} file(s): {told}, in {seconds:.1f} s, {engine}", err=True)
    return failures.FAILED if failed else failures.OK


def _tables(names: Sequence[str]) -> Sequence[Path]:
    found: dict[Path, None] = {}
    for name in names:
        path = Path(name)
        below = sorted(each for each in path.rglob("*") if sources.is_tests(each.name)) if path.is_dir() else [path]
        if not below:
            fix = "name another folder, or a file"
            raise errors.Invalid(f"{path}: no {sources.TESTS[0]} below it", field="FILE", fix=fix)
        found |= dict.fromkeys(below)
    return list(found)


def _read(started: session.Session, path: Path) -> tuple[kind.Policy, tables.Table]:
    table = tables.read(path.read_bytes(), str(path))
    policy = path.parent / table.policy
    if not policy.is_file():
        raise errors.Invalid(f"{path}: there is no {policy}", field="policy", fix="name the policy's file from here")
    return policyfiles.one(started, str(policy)), table


async def _tested(
    started: session.Session,
    found: Sequence[tuple[Path, tuple[kind.Policy, tables.Table]]],
    part: str,
    where: policyengines.Where,
) -> tuple[Sequence[Tested], str]:
    async with policyengines.opened(started, where) as evaluator:
        tested = [
            await _one(evaluator, path, policy, case)
            for path, (policy, table) in found
            for case in table.cases
            if part in case.name
        ]
        return tested, evaluator.engine


async def _one(evaluator: policyengines.Evaluator, path: Path, policy: kind.Policy, case: tables.Case) -> Tested:
    began = time.monotonic()
    said: expectations.Said
    material = _material(path, policy, case)
    try:
        if case.material.file:
            file = str(path.parent / case.material.file)
            policyfiles.accept(material.type, file, material.content, "material.file")
        said = (await evaluator.evaluate(policy, material, case.given)).outcome
    except (errors.Invalid, errors.NotFound) as exc:
        said = exc
    told = (*expectations.differences(case.expected, said), *_unknown(policy, case.given))
    return Tested(str(path), policy.metadata.name or "", case, told, time.monotonic() - began)


def _unknown(policy: kind.Policy, given: Mapping[str, str]) -> Sequence[str]:
    """Inputs that the policy does not have: a case with a misspelt one would test another case."""
    declared = {one.name for one in policy.spec.inputs}
    unknown = [name for name in given if name not in declared] if declared else []  # one that has none takes all
    return [f"{name} is no input of policy {policy.metadata.name}" for name in unknown]


def _material(path: Path, policy: kind.Policy, case: tables.Case) -> evaluation.Material:
    said = case.material
    content = _file(path.parent / said.file) if said.file else said.content
    material_type = said.type or _only_type(policy)
    known = policyfiles.known(material_type, said.file, content)
    annotations = {**known["annotations"], **_mapping(said.metadata.get("annotations"))}
    own = {} if case.run is None else documents.of_run(case.run)
    metadata = {**known, **said.metadata, "annotations": annotations}
    document = said.document if content is not None else said.document or b"{}"
    return evaluation.Material(material_type, content or b"", metadata, document, own, case.at)


def _only_type(policy: kind.Policy) -> str:
    named = {one.judges for one in scripts.of(policy.spec)} - {""}
    if len(named) != 1:
        name = policy.metadata.name
        raise errors.Invalid(f"policy {name} judges several types", field="material.type", fix="say which one this is")
    return named.pop()


def _file(path: Path) -> bytes:
    try:
        with path.open("rb") as opened:
            return opened.read(_MOST + 1)
    except OSError as exc:
        fix = "name a file from the folder of the table"
        raise errors.Invalid(f"{path}: {exc.strerror}", field="material.file", fix=fix) from exc


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _lines(tested: Sequence[Tested]) -> Iterator[str]:
    file = ""
    for each in tested:
        if each.file != file:
            file = each.file
            yield f"{file}: {each.policy}"
        yield f"  {'ok  ' if each.passed else 'FAIL'}  {each.case.name} ({1000 * each.seconds:.0f} ms)"
        if not each.passed:
            yield from (f"        {line}" for line in (f"{file}:{each.case.line}", *each.differences))


def _as_json(each: Tested) -> dict[str, Any]:
    return {
        "file": each.file,
        "line": each.case.line,
        "policy": each.policy,
        "case": each.case.name,
        "passed": each.passed,
        "differences": list(each.differences),
        "seconds": round(each.seconds, 3),
    }


def _as_junit(tested: Sequence[Tested]) -> str:
    """A report that CI systems show."""
    from xml.etree import ElementTree  # lazy: 8 ms, for this form only

    top = ElementTree.Element("testsuites")
    for file in dict.fromkeys(each.file for each in tested):
        cases = [each for each in tested if each.file == file]
        failed = sum(not each.passed for each in cases)
        suite = ElementTree.SubElement(top, "testsuite", name=file, tests=str(len(cases)), failures=str(failed))
        for each in cases:
            seconds = f"{each.seconds:.3f}"
            one = ElementTree.SubElement(
                suite, "testcase", classname=each.policy, name=output.harmless(each.case.name), time=seconds
            )
            if not each.passed:
                told = [output.harmless(line) for line in each.differences]
                ElementTree.SubElement(one, "failure", message=told[0]).text = "\n".join(told)
    return ElementTree.tostring(top, encoding="unicode", xml_declaration=True)
