"""Pages say what is so: their targets exist, each of their commands is run by a test, and their metrics are ours."""

import re
import runpy
from collections.abc import Iterator

import prometheus_client

from avouch.kube import reflector
from avouch.processes import controllermetrics, servermetrics, workermetrics
from tests import docs

# Who runs the commands of a page's section. A section with commands that is not here has nobody.
RUN_BY = {
    ("README.md", "Try it: two commands"): "make",
    ("README.md", "What the demo shows"): "tests/e2e/test_quickstart.py, which plays the demo's scenes",
    ("README.md", "Install it on your cluster"): "tests/api/test_docs.py",
    ("README.md", "Once, on the cluster"): "tests/e2e/test_ci_examples.py",  # examples/ci
    ("access.md", "Tokens for CI outside the cluster"): "tests/api/test_access_page.py",
    ("crafting.md", "One command"): "tests/commands/test_page.py",
    ("crafting.md", "In steps"): "tests/commands/test_page.py",
    ("crafting.md", "Verifying a bundle later"): "tests/commands/test_page.py",
    ("crafting.md", "Verifying a verdict"): "tests/commands/test_page.py",
    ("crafting.md", "Artifacts by digest"): "tests/commands/test_page.py",
    ("CONTRIBUTING.md", "A first green test, in minutes"): "make",
}
TYPED = {  # all of them
    "guide.md": "tests/e2e/test_guide.py",
    "policies.md": "tests/e2e/test_policies.py",
    "runs.md": "tests/e2e/test_guide.py",  # of the run that the guide makes
    "tutorial.md": "tests/e2e/test_tutorial.py",
}
IMAGES = ("registry/team/app",)  # names that look like a module's
_TARGET = re.compile(r"\bmake ([a-z0-9-]+)")
_METRIC = re.compile(r"`(avouch_[a-z_]+)`")


def test_every_command_on_a_page_is_run_by_somebody() -> None:
    nobody = [
        f"{block.page.name}, {block.heading}: {command}"
        for page in docs.PAGES
        for block in docs.blocks(page)
        if block.kind == "console" and page.name not in TYPED
        for command in block.commands()
        if (page.name, block.heading) not in RUN_BY
    ]
    assert nobody == []


def test_every_make_target_that_a_page_names_exists_and_has_a_help() -> None:
    makefile = (docs.ROOT / "Makefile").read_text()
    helped = set(re.findall(r"^([a-z0-9-]+):.*## ", makefile, re.M))
    named = {target for page in docs.PAGES for target in _TARGET.findall(_code(page.read_text()))}
    assert named >= {"demo", "test", "setup", "unit"}
    assert named - helped == set()


def test_the_metrics_on_the_page_are_those_that_the_processes_have() -> None:
    table = (docs.ROOT / "docs/operations.md").read_text().split("## Metrics")[1].split("Suggested alerts")[0]
    assert set(_METRIC.findall(table)) == set(_exported())


def test_the_page_of_runners_is_the_tables_own() -> None:
    made = runpy.run_path(str(docs.ROOT / ".ci/generate.py"))["runners_reference"]
    stale = [path.name for path, text in made() if path.read_text() != text]
    assert stale == [], "run `make generate` and commit the result"


def test_modules_that_a_page_names_exist() -> None:
    package = docs.ROOT / "operator" / "avouch"
    rooms = "|".join(sorted(path.parent.name for path in package.glob("*/__init__.py")))
    named = re.compile(rf"`((?:{rooms})(?:/[a-z_]+)+)(?:\.py)?`")
    pages = [docs.ROOT / "CONTRIBUTING.md", *docs.ROOT.glob("docs/*.md"), *docs.ROOT.glob("docs/adr/*.md")]
    found = [(page.name, name) for page in pages for name in named.findall(page.read_text())]
    assert len(found) > 20
    gone = [each for each in found if not (package / each[1]).is_dir() and not (package / f"{each[1]}.py").is_file()]
    assert [each for each in gone if each[1] not in IMAGES] == []


def test_links_between_pages_lead_somewhere() -> None:
    dead = [
        f"{page.name}: {target}"
        for page in docs.PAGES
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text())
        if not (page.parent / target).exists()
    ]
    assert dead == []


def _code(page: str) -> str:
    """Only what stands in code: prose may say that things make sense."""
    return "\n".join([*re.findall(r"`[^`\n]+`", page), *re.findall(r"```.*?```", page, re.S)])


def _exported() -> Iterator[str]:
    names = (*controllermetrics.GAUGES, *controllermetrics.COUNTERS)
    controller = controllermetrics.Metrics({name: lambda: 0.0 for name in names})
    controller.watches({"pods": reflector.Progress()})
    controller.certificates(dict)
    for registry in (controller.registry, servermetrics.Metrics(lambda: 0).registry, workermetrics.Metrics().registry):
        yield from _families(registry)


def _families(registry: prometheus_client.CollectorRegistry) -> Iterator[str]:
    for family in registry.collect():
        if family.name.startswith("avouch_"):
            yield f"{family.name}_total" if family.type == "counter" else family.name
