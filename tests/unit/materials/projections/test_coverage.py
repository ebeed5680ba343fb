"""Coverage reports as policies see them."""

import json
from typing import Any

import pytest

from avouch import errors
from avouch.materials.projections import coverage

RATES = {"line-rate": 0, "branch-rate": 0, "complexity": 0}
COUNTS = dict.fromkeys(("lines-covered", "lines-valid", "branches-covered", "branches-valid"), 0)


def cobertura(content: str) -> Any:
    return json.loads(coverage.cobertura(content.encode()))


def test_jacoco_shows_the_counters_of_the_whole_report() -> None:
    found = coverage.counters(
        b'<report><package><counter type="LINE" missed="9" covered="9"/></package>'
        b'<counter type="INSTRUCTION" missed="1" covered="3"/></report>'
    )
    assert json.loads(found) == {"counters": [{"type": "INSTRUCTION", "missed": 1, "covered": 3}]}


def test_cobertura_shows_the_whole_tree() -> None:
    line = {"number": 3, "hits": 1, "branch": True, "condition-coverage": "50% (1/2)"}
    plain = {"number": 1, "hits": 0, "branch": False}
    found = cobertura(
        """<coverage line-rate="0.5" branch-rate="1" lines-covered="1" lines-valid="2" version="7.1"
                     timestamp="1700000000000">
        <sources><source>/src</source><source>lib</source></sources>
        <packages><package name="p" line-rate="0.5"><classes><class name="c" filename="c.py" line-rate="1.0">
          <methods><method name="m" signature="()V"><lines><line number="1" hits="0"/></lines></method></methods>
          <lines><line number="3" hits="1" branch="true" condition-coverage="50% (1/2)"><conditions/></line></lines>
        </class></classes></package></packages></coverage>"""
    )
    assert found == {
        **RATES,
        **COUNTS,
        "line-rate": 0.5,
        "branch-rate": 1,
        "lines-covered": 1,
        "lines-valid": 2,
        "version": "7.1",
        "timestamp": 1_700_000_000_000,
        "sources": ["/src", "lib"],
        "packages": [
            {
                **RATES,
                "name": "p",
                "line-rate": 0.5,
                "classes": [
                    {
                        **RATES,
                        "name": "c",
                        "filename": "c.py",
                        "line-rate": 1,
                        "methods": [{**RATES, "name": "m", "signature": "()V", "lines": [plain]}],
                        "lines": [line],
                    }
                ],
            }
        ],
    }


def test_a_rate_that_is_no_number_is_null() -> None:
    assert cobertura('<coverage line-rate="NaN" branch-rate="inf"/>')["line-rate"] is None


def test_what_stands_elsewhere_is_not_counted() -> None:
    found = cobertura('<coverage><package name="a"/><packages><x><package name="b"/></x></packages></coverage>')
    assert found["packages"] == []


@pytest.mark.parametrize(
    ("attributes", "name"),
    [
        ('lines-valid="many"', "lines-valid"),
        ('lines-valid="1e30"', "lines-valid"),
        ('lines-valid="inf"', "lines-valid"),
        ('branch-rate="0,5"', "branch-rate"),
        (f'timestamp="{"9" * 5000}"', "timestamp"),
    ],
)
def test_what_cannot_be_a_number_is_refused_by_its_name(attributes: str, name: str) -> None:
    with pytest.raises(errors.Invalid, match=f"the {name} of a coverage is"):
        cobertura(f"<coverage {attributes}/>")


def test_a_flag_is_true_or_false() -> None:
    line = "<coverage><packages><package><classes><class><lines><line branch='{}'/></lines></class></classes></package>"
    with pytest.raises(errors.Invalid, match="the branch of a line is 'maybe'"):
        cobertura(f"{line.format('maybe')}</packages></coverage>")
