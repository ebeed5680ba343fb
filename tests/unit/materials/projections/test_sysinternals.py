"""Reports of sigcheck and accesschk as policies see them."""

import json
from typing import Any

import pytest

from avouch.materials.projections import sysinternals

REPORT = """
Accesschk v6.15 - Reports effective permissions
Copyright (C) 2006-2022 Mark Russinovich
Sysinternals - www.sysinternals.com

c:\\a
  RW BUILTIN\\Administrators
        FILE_ALL_ACCESS
  R  Everyone
c:\\b
  DESCRIPTOR FLAGS:
      [SE_DACL_PRESENT]
  OWNER: NT AUTHORITY\\SYSTEM
  DACL:
  [0] ACCESS_ALLOWED_ACE_TYPE: BUILTIN\\Users
        [INHERITED_ACE]
        READ_CONTROL
  SACL:
  [0] : Everyone
        WRITE_DAC
c:\\c
  RW BUILTIN\\Administrators
        FILE_ALL_ACCESS
  R  Everyone
"""


def accesschk(content: str) -> Any:
    return json.loads(sysinternals.accesschk(content.encode()))


def test_objects_with_the_same_protection_name_one_descriptor() -> None:
    found = accesschk(REPORT)
    assert found["tool"] == {"name": "AccessChk", "version": "6.15"}
    assert found["raw"] == REPORT
    assert [(each["name"], each["descriptor"]) for each in found["objects"]] == [
        ("c:\\a", 0), ("c:\\b", 1), ("c:\\c", 0),
    ]  # fmt: skip
    assert found["objects"][0]["raw_lines"][0] == "  RW BUILTIN\\Administrators"
    assert found["descriptors"] == [
        {
            "access_entries": [
                {"access": "RW", "principal": "BUILTIN\\Administrators", "rights": ["FILE_ALL_ACCESS"]},
                {"access": "R", "principal": "Everyone", "rights": []},
            ]
        },
        {
            "descriptor_flags": ["SE_DACL_PRESENT"],
            "owner": "NT AUTHORITY\\SYSTEM",
            "dacl": [
                {
                    "index": 0,
                    "ace_type": "ACCESS_ALLOWED_ACE_TYPE",
                    "principal": "BUILTIN\\Users",
                    "ace_flags": ["INHERITED_ACE"],
                    "rights": ["READ_CONTROL"],
                }
            ],
            "sacl": [{"index": 0, "principal": "Everyone", "ace_flags": [], "rights": ["WRITE_DAC"]}],
            "access_entries": [],
        },
    ]


def test_a_long_report_is_shown_without_its_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sysinternals, "_RAW", 10)
    found = accesschk(REPORT)
    assert found["raw"] == ""
    assert "raw_lines" not in found["objects"][0]


def test_what_stands_before_the_first_object_belongs_to_none() -> None:
    assert accesschk("  R Everyone\nc:\\a\n  [0] nobody\n")["objects"] == [
        {"name": "c:\\a", "descriptor": 0, "raw_lines": ["  [0] nobody"]}
    ]


def test_sigcheck_shows_rows_by_their_columns() -> None:
    content = '"Path","Verified"\r\n"c:\\a","Signed"\r\n\r\n'.encode("utf-16")
    assert json.loads(sysinternals.sigcheck(content)) == [{"Path": "c:\\a", "Verified": "Signed"}]
