import io
import json
import logging
import sys
from typing import Any

import pytest

from avouch.processes import logs


@pytest.fixture
def written() -> Any:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logs.Lines())
    log = logging.Logger("avouch.test")
    log.addHandler(handler)
    return log, lambda: [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_says_what_how_bad_where_and_when(written: Any) -> None:
    log, lines = written
    log.warning("%s is late", "pod-1")
    (line,) = lines()
    assert line.pop("timestamp").endswith("Z")
    assert line == {"message": "pod-1 is late", "level": "warning", "logger": "avouch.test"}


def test_what_a_caller_adds_is_in_the_line_whatever_it_is(written: Any) -> None:
    log, lines = written
    log.error("refused", extra={"request_id": "r-1", "who": {1}})
    assert (lines()[0]["request_id"], lines()[0]["who"]) == ("r-1", "{1}")


def test_an_exception_and_a_smuggled_newline_stay_in_one_line(written: Any) -> None:
    log, lines = written
    try:
        raise ValueError("no")
    except ValueError:
        log.exception("a\n\x1b[31mb")
    (line,) = lines()
    assert line["message"] == "a\n\x1b[31mb"
    assert line["exception"].endswith("ValueError: no")


def test_a_record_without_an_exception_has_none(written: Any) -> None:
    log, lines = written
    log.error("no exception is handled", exc_info=sys.exc_info())
    assert "exception" not in lines()[0]
