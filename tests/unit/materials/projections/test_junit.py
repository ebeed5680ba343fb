"""JUnit reports as policies see them: suites, cases and totals."""

import json
from typing import Any

import pytest

from avouch import errors
from avouch.materials.projections import junit, pieces
from tests.materials import packing

NONE = {"tests": 0, "passed": 0, "skipped": 0, "failed": 0, "error": 0, "duration": 0}


def shown(content: str | bytes) -> Any:
    return json.loads(junit.suites(content.encode() if isinstance(content, str) else content))


def case(name: str, **more: Any) -> dict[str, Any]:
    said = {"name": name, "classname": "", "duration": 0, "status": "passed", "message": "", "error": None}
    return {**said, "properties": {"name": name}, **more}


def test_a_suite_has_its_cases_and_their_totals() -> None:
    (suite,) = shown(
        """<?xml version="1.0"?>
        <testsuites name="all" tests="99"><testsuite name="shop" package="p" tests="99">
          <properties><property name="os" value="linux"/></properties>
          <testcase name="buys" classname="shop.Cart" time="0.25"/>
          <testcase name="pays"><failure message="too little" type="AssertionError">1 &lt; 2
<![CDATA[at <pay>]]></failure></testcase>
          <testcase name="ships"><error message="no route"/></testcase>
          <testcase name="later"><skipped message="not yet"/></testcase>
          <system-out>so it went</system-out>
        </testsuite></testsuites>"""
    )
    assert suite == {
        "name": "shop",
        "package": "p",
        "properties": {"name": "shop", "package": "p", "tests": "99", "os": "linux"},
        "tests": [
            case(
                "buys",
                classname="shop.Cart",
                duration=250_000_000,
                properties={"name": "buys", "classname": "shop.Cart", "time": "0.25"},
            ),
            case(
                "pays",
                status="failed",
                message="too little",
                error={"message": "too little", "type": "AssertionError", "body": "1 < 2\nat <pay>"},
            ),
            case("ships", status="error", message="no route", error={"message": "no route"}),
            case("later", status="skipped", message="not yet"),
        ],
        "stdout": "so it went",
        "totals": {"tests": 4, "passed": 1, "skipped": 1, "failed": 1, "error": 1, "duration": 250_000_000},
    }


def test_totals_of_a_suite_are_those_of_its_suites_too() -> None:
    (outer,) = shown(
        '<testsuite name="o"><testcase name="a"/><testsuite name="i"><testcase name="b"><failure/></testcase>'
        "</testsuite></testsuite>"
    )
    assert outer["totals"] == {**NONE, "tests": 2, "passed": 1, "failed": 1}
    assert [each["name"] for each in outer["suites"]] == ["i"]
    assert outer["suites"][0]["tests"] == [case("b", status="failed", error={})]


def test_cases_without_a_suite_are_in_one_without_a_name() -> None:
    found = shown('<testsuites><testcase name="a"><failure/></testcase><testsuite name="s"/></testsuites>')
    assert [(each["name"], each["totals"]["failed"]) for each in found] == [("s", 0), ("", 1)]


def test_what_stands_inside_a_case_belongs_to_it() -> None:
    (suite,) = shown(
        '<testsuite><testcase name="a"><properties><property name="k" value="v"/></properties>'
        "<system-out>one</system-out><system-err>two</system-err><testcase name='inner'/><other><failure/></other>"
        "</testcase></testsuite>"
    )
    assert suite["tests"] == [case("a", properties={"name": "a", "k": "v"}, stdout="one", stderr="two")]


def test_names_lose_their_namespace() -> None:
    (suite,) = shown('<j:testsuite xmlns:j="urn:j" j:name="a"><j:testcase name="t"/></j:testsuite>')
    assert suite["properties"] == {"j": "urn:j", "name": "a"}
    assert suite["totals"]["tests"] == 1


@pytest.mark.parametrize(
    ("said", "nanoseconds"),
    [
        ("1.5", 1_500_000_000),
        ("1,234.5", 1_234_500_000_000),
        ("2m1.5s", 121_500_000_000),
        ("300us", 300_000),
        ("", 0),
        ("soon", 0),
        ("1s later", 0),
        ("inf", 0),
        ("1e300", 0),
    ],
)
def test_a_time_is_seconds_or_a_duration_of_go(said: str, nanoseconds: int) -> None:
    assert junit.nanoseconds(said) == nanoseconds


def test_reports_of_an_archive_follow_each_other_and_others_are_passed_over() -> None:
    packed = packing.zip_of(
        ("b.xml", b'<testsuite name="b"/>'),
        ("summary.xml", b'<summary><testsuite name="no report"/></summary>'),
        ("notes.txt", b"<"),
        ("a.XML", b'<testsuite name="a"/>'),
    )
    assert [each["name"] for each in shown(packed)] == ["b", "a"]


def test_a_report_that_becomes_too_large_is_refused_before_it_is_put_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "MOST", 10_000)
    with pytest.raises(errors.TooLarge, match="at most"):
        junit.suites(b"<testsuite>" + b'<testcase name="a"/>' * 200 + b"</testsuite>")
