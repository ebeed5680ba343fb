"""Tables of tests: what is read, and each mistake with its line, its field and its fix."""

from datetime import UTC, datetime

import pytest

from avouch import errors
from avouch.policy import expectations, tables
from avouch.policy.expectations import Says

TABLE = """\
policy: p.yaml
at: 2026-11-30T12:00:00Z
cases:
  - name: a
    material: {type: SARIF, file: a/report.sarif, metadata: {annotations: {team: shop}}}
    with: {days: 07, strict: yes, names: "a,b"}
    run: {tasks: []}
    expect: passed
  - name: b
    at: 2026-12-01T12:00:00+01:00
    material: {content: {runs: []}}
    expect: {violations: [one, two], contains: [o]}
  - {name: c, material: {content: "<xml/>"}, expect: {violations: 2}}
  - {name: d, material: {document: {elements: []}}, expect: {skipped: no report}}
  - {name: e, expect: {error: missing}}
  - {name: f, expect: ignored}
"""


def test_a_table_has_a_case_for_each_row() -> None:
    table = tables.read(TABLE.encode(), "p.test.yaml")
    assert table.policy == "p.yaml"
    assert [(case.name, case.line) for case in table.cases] == [
        *(("a", 4), ("b", 9), ("c", 13), ("d", 14), ("e", 15), ("f", 16))
    ]
    assert [case.expected for case in table.cases] == [
        expectations.Expected(Says.PASSED),
        expectations.Expected(Says.VIOLATIONS, messages=["one", "two"], contains=["o"]),
        expectations.Expected(Says.VIOLATIONS, number=2),
        expectations.Expected(Says.SKIPPED, reason="no report"),
        expectations.Expected(Says.ERROR, reason="missing"),
        expectations.Expected(Says.IGNORED),
    ]


def test_inputs_are_the_texts_that_were_written() -> None:
    assert tables.read(TABLE.encode(), "").cases[0].given == {"days": "07", "strict": "yes", "names": "a,b"}


def test_a_policy_is_no_table_of_its_tests_and_the_fix_says_where_those_are() -> None:
    with pytest.raises(errors.Invalid, match=r"p\.yaml:1:1: is an object, not a table of tests") as told:
        tables.read(b"apiVersion: chainloop.dev/v1\nkind: Policy\n", "p.yaml")
    assert "NAME.test.yaml" in told.value.fix


def test_the_time_of_a_case_comes_before_that_of_the_table() -> None:
    first, second, *_ = tables.read(TABLE.encode(), "").cases
    assert (first.at, second.at) == (datetime(2026, 11, 30, 12, tzinfo=UTC), datetime(2026, 12, 1, 11, tzinfo=UTC))


def test_a_material_is_a_file_its_text_or_what_scripts_see() -> None:
    materials = [case.material for case in tables.read(TABLE.encode(), "").cases]
    assert (materials[0].type, materials[0].file) == ("SARIF", "a/report.sarif")
    assert materials[0].metadata == {"annotations": {"team": "shop"}}
    assert [each.content for each in materials[1:3]] == [b'{"runs": []}', b"<xml/>"]
    assert materials[3].document == b'{"elements": []}'
    assert materials[4] == tables.Material("", "", None, None, {})


CASE = "policy: p.yaml\ncases:\n- name: a\n  expect: passed\n"


@pytest.mark.parametrize(
    ("text", "place", "field", "message", "fix"),
    [
        ("", "", "", "has 0 documents", "write one document"),
        ("a: [", "1:", "", "", ""),
        ("- a", "1:1", "", "must be a mapping", "policy, at, cases"),
        ("cases: []", "1:1", "policy", "is required", "add it"),
        ("policy: p\ncases: []", "2:8", "cases", "must be a list of cases", "add one"),
        (CASE + "case: 1\n", "5:1", "case", "unknown field", "did you mean cases?"),
        (CASE + "  materiel: {}\n", "5:3", "cases[0].materiel", "unknown field", "did you mean material?"),
        (CASE + "  zzz: {}\n", "5:3", "cases[0].zzz", "unknown field", "use name, at"),
        (CASE + "- name: a\n  expect: passed\n", "5:3", "name", "in line 3, too", "one sentence"),
        (CASE.replace("name: a", "name: 1"), "3:9", "cases[0].name", "must be a text", "in quotes"),
        (CASE.replace("passed", "pased"), "4:11", "cases[0].expect", "unknown expectation 'pased'", "one of passed"),
        (CASE.replace("passed", "{}"), "4:11", "cases[0].expect", "must say one thing", "keep"),
        (CASE.replace("passed", "{error: a, skipped: b}"), "4:11", "cases[0].expect", "must say one thing", "keep"),
        (CASE.replace("passed", "{violations: 0}"), "4:24", "cases[0].expect.violations", "how many", "expect: passed"),
        (CASE.replace("passed", "{violations: []}"), "4:24", "cases[0].expect.violations", "list of texts", "passed"),
        (CASE.replace("passed", "{violations: [1]}"), "4:25", "cases[0].expect.violations[0]", "must be a text", ""),
        (CASE.replace("passed", "{violations: true}"), "4:24", "cases[0].expect.violations", "how many", ""),
        (CASE.replace("passed", "{contains: a}"), "4:22", "cases[0].expect.contains", "list of texts", ""),
        (
            CASE + "  material: {type: SARIFF}\n",
            "5:20",
            "cases[0].material.type",
            "unknown type",
            "did you mean SARIF?",
        ),
        (CASE + "  material: {type: ZZZ}\n", "5:20", "cases[0].material.type", "unknown type", "material types"),
        (CASE + "  material: {file: a, content: b}\n", "5:13", "cases[0].material", "exclude each other", "keep one"),
        (CASE + "  material: {file: /a}\n", "5:20", "cases[0].material.file", "is an absolute path", "folder"),
        (CASE + "  material: {document: []}\n", "5:24", "cases[0].material.document", "must be a mapping", ""),
        (CASE + "  material: {metadata: a}\n", "5:24", "cases[0].material.metadata", "must be a mapping", ""),
        (CASE + "  with: [a]\n", "5:9", "cases[0].with", "must be a mapping of inputs", "{max_days: 30}"),
        (CASE + "  with: {a: [b]}\n", "5:13", "cases[0].with.a", "must be a text", "a,b"),
        (CASE + "  with: {a: }\n", "5:", "cases[0].with.a", "must be a text", "a,b"),
        (CASE + "  at: today\n", "5:7", "cases[0].at", "not an RFC 3339 time", "2026-11-30T12:00:00Z"),
        (CASE + "  at: 2026-02-30T12:00:00Z\n", "5:7", "cases[0].at", "no such time", "2026-11-30T12:00:00Z"),
        (CASE + "  run: a\n", "5:8", "cases[0].run", "must be a mapping", ""),
    ],
)
def test_a_mistake_is_told_with_its_line_its_field_and_a_fix(
    text: str, place: str, field: str, message: str, fix: str
) -> None:
    with pytest.raises(errors.Invalid) as told:
        tables.read(text.encode(), "t.test.yaml")
    assert told.value.args[0].startswith(f"t.test.yaml:{place}")
    assert message in told.value.args[0]
    assert told.value.field == field
    assert fix in told.value.fix
    assert told.value.fix
