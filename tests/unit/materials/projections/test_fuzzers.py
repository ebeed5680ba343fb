"""Reports of dranzer and radamsa as policies see them."""

import json
from typing import Any

from avouch.materials.projections import fuzzers
from tests.materials import packing

REPORT = """\
{11}-Old Control
ERROR - Class not registered (0x80040154)
*******************************
Testing COM Object - {22} New Control
COM Object Filename  : C:\\new.ocx
Ver. Info : 1.2
Invoking Method - INew::Open
*** Access Violation ***
Access violation at 0x7c91 :Bad read on 0x0000
Invoked Property Put - INew::Name
Unknown thing (code c0000005) at 0x12
ERROR - Hung (0x1)
Number of COM Objects                 3
Number of COM Objects With Kill Bit   1
Number of Odd Things   2
Test Engine Version: $Rev: 96 $
Other : fact
ERROR - Alone (0x2)
"""
SUMMARY = {
    "object_count": 3,
    "kill_bit_count": 1,
    "passed_count": 0,
    "failed_count": 0,
    "hung_count": 0,
    "counters": {"com_objects": 3, "com_objects_with_kill_bit": 1, "odd_things": 2},
}
TOOL = {"name": "dranzer", "version": "96"}
NEW = {"clsid": "{22}", "class_name": "New Control"}


def dranzer(content: bytes) -> Any:
    return json.loads(fuzzers.dranzer(content))


def test_dranzer_shows_what_it_tested_what_it_found_and_what_it_counted() -> None:
    assert dranzer(REPORT.encode()) == {
        "tool": TOOL,
        "summary": SUMMARY,
        "raw": REPORT,
        "objects": [
            {
                "clsid": "{22}",
                "description": "New Control",
                "metadata": {"com_object_filename": "C:\\new.ocx", "ver_info": "1.2"},
            }
        ],
        "findings": [
            {
                "clsid": "{11}",
                "class_name": "Old Control",
                "error_message": "Class not registered",
                "error_code": "0x80040154",
            },
            {
                **NEW,
                "method": "INew::Open",
                "error_message": "Access violation",
                "address": "0x7c91",
                "access_type": "read",
            },
            {
                **NEW,
                "method": "INew::Name",
                "error_message": "Unknown thing",
                "error_code": "0xc0000005",
                "address": "0x12",
            },
            {**NEW, "error_message": "Hung", "error_code": "0x1"},
            {"error_message": "Alone", "error_code": "0x2"},
        ],
        "reports": [{"tool": TOOL, "summary": SUMMARY}],
    }


def test_reports_of_an_archive_are_added_up_in_the_order_of_their_names() -> None:
    small = b"Testing COM Object - {1} A\nNumber of COM Objects   1\n"
    found = dranzer(packing.zip_of(("b.txt", small), ("a.txt", small + b"ERROR - x (0x1)\n"), ("t.csv", b"a,b")))
    assert found["summary"]["object_count"] == 2
    assert [each["source"] for each in found["reports"]] == ["a.txt", "b.txt"]
    assert [each["source"] for each in found["objects"]] == ["a.txt", "b.txt"]
    assert [each["source"] for each in found["findings"]] == ["a.txt"]
    assert found["raw"].startswith("===== a.txt =====\nTesting")


def test_bytes_of_another_code_page_are_left_out() -> None:
    assert dranzer(b"Testing COM Object - {1} Caf\xe9\n")["objects"][0]["description"] == "Caf"


def test_radamsa_shows_the_records_of_all_logs_in_the_order_of_their_names() -> None:
    packed = packing.zip_of(("2", b"seed: 7\nnth: 2\n"), ("1", b'nth: 1, path: "a, \\"b\\"", sum: CF, at: -3, empty: \n'))
    assert json.loads(fuzzers.radamsa(packed)) == [
        {"nth": 1, "path": 'a, "b"', "sum": "CF", "at": -3, "empty": ""},
        {"nth": 2},
    ]


def test_what_is_escaped_as_json_does_not_is_shown_as_it_is_written() -> None:
    assert json.loads(fuzzers.radamsa(b'path: "a\\x41", n: 99999999999999999999\n')) == [
        {"path": "a\\x41", "n": "99999999999999999999"}
    ]


def test_no_iteration_is_an_empty_list() -> None:
    assert fuzzers.radamsa(b"") == b"[]"
