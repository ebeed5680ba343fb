"""Reports that real tools wrote over this repository: each is recognised, read and summarised."""

import re

import pytest

from avouch.materials import detection, validation
from avouch.materials import types as material_types
from tests.corpus import report, table, tools

REPORTS = {each.file: each for each in table.REPORTS}
# Folders of a machine, and hosts that a package client talks to.
MACHINE = re.compile(rb"/(?:home|root|tmp|work)/(?!user\b)|\b(?:pypi|pythonhosted|npmjs|sonatype)\.(?:org|com)\b")


@pytest.mark.parametrize("file", REPORTS)
def test_a_report_is_recognised_and_summarised(file):
    one = REPORTS[file]
    content = one.content()
    read = validation.read(one.type, content)
    assert [flaw.message[: len(one.refused)] for flaw in read.flaws] == ([one.refused] if one.refused else [])
    assert dict(read.annotations) == one.expected
    assert detection.file(content).type == (one.detected or ("ARTIFACT" if one.refused else one.type))


@pytest.mark.parametrize("file", REPORTS)
def test_a_report_tells_nothing_of_the_machine_it_was_made_on(file):
    assert MACHINE.search(REPORTS[file].content()) is None


def test_each_type_has_a_report_or_a_reason_why_not():
    there = {one.type for one in table.REPORTS if not one.refused}
    assert there | set(table.MISSING) == {kind.name for kind in material_types.MATERIALS}
    assert there.isdisjoint(table.MISSING)


def test_the_table_names_what_lies_there_and_that_is_small():
    files = list(report.FOLDER.iterdir())
    assert sorted(path.name.removesuffix(".xz") for path in files) == sorted(REPORTS)
    assert sum(path.stat().st_size for path in files) < 3_000_000


def test_each_tool_to_install_is_used_by_a_report():
    assert {tool.name for tool in tools.TOOLS} <= {name for one in table.REPORTS for name in one.tools}
