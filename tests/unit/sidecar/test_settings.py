"""What the sidecar's environment says, and what stands where it says nothing."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from avouch import errors
from avouch.sidecar import settings
from tests.unit.sidecar import life, server

SERVER = {"AVOUCH_SERVER": "https://avouch"}


def test_all_that_admission_writes_is_read_back(tmp_path: Path) -> None:
    owed = life.a_plan(tmp_path)
    found = settings.read(
        {
            "AVOUCH_SERVER": "https://avouch/",
            "AVOUCH_SERVER_HOSTS": "avouch 10.0.0.1 fd00::1",
            "AVOUCH_CA": "PEM",
            "AVOUCH_PLAN": json.dumps([json.loads(owed.to_json())]),
            "AVOUCH_STEPS": "2",
            "AVOUCH_STEP_NAMES": '["a","b"]',
            "AVOUCH_WORKSPACES": '{"source":"/w/0"}',
            "AVOUCH_PUBLISHED": '["source"]',
            "AVOUCH_UNMOUNTED": '{"secrets":"why"}',
            "AVOUCH_TEKTON": "/t",
            "AVOUCH_IDENTITY": "/i",
            "AVOUCH_MAX_FILE": "10",
            "AVOUCH_BUDGET": "1.5",
        }
    )
    assert found == settings.Settings(
        server="https://avouch",
        ca="PEM",
        dialled=("avouch", "10.0.0.1", "fd00::1"),
        plans=(owed,),
        steps=2,
        step_names=("a", "b"),
        workspaces={"source": "/w/0"},
        published=frozenset({"source"}),
        unmounted={"secrets": "why"},
        tekton=Path("/t"),
        identity=Path("/i"),
        max_file=10,
        budget=1.5,
    )


@pytest.mark.parametrize("said", [{}, dict.fromkeys(("AVOUCH_PLAN", "AVOUCH_STEPS", "AVOUCH_MAX_FILE"), "")])
def test_what_is_not_said_is_as_in_an_injected_pod(said: dict[str, str]) -> None:
    assert settings.read(SERVER | said) == settings.Settings("https://avouch", "")


@pytest.mark.parametrize("server", ["", "http://avouch", "avouch", "HTTPS"])
def test_a_token_travels_to_https_only(server: str) -> None:
    with pytest.raises(errors.Invalid, match="must be an https:// address") as caught:
        settings.read({"AVOUCH_SERVER": server})
    assert caught.value.field == "AVOUCH_SERVER"


@pytest.mark.parametrize(
    "wrong",
    [{"AVOUCH_PLAN": "[{}]"}, {"AVOUCH_PLAN": "{"}, {"AVOUCH_STEPS": "many"}, {"AVOUCH_WORKSPACES": "3"}],
)
def test_what_admission_would_not_write_is_said(wrong: dict[str, str]) -> None:
    with pytest.raises(errors.Invalid, match="cannot be read") as caught:
        settings.read(SERVER | wrong)
    assert caught.value.field == "AVOUCH_*"


def test_the_authority_of_the_environment_is_trusted_before_that_of_a_file_and_there_is_no_third(
    tmp_path: Path,
) -> None:
    of_file, of_environment = server.certificate(tmp_path), server.certificate(tmp_path)
    read = settings.read(SERVER | {"AVOUCH_IDENTITY": str(tmp_path)})
    with pytest.raises(errors.Invalid, match="no CA in AVOUCH_CA or") as caught:
        read.trusted_ca()
    assert caught.value.field == "AVOUCH_CA"
    (tmp_path / "ca.crt").write_text(of_file)
    assert read.trusted_ca() == of_file
    assert replace(read, ca=of_environment).trusted_ca() == of_environment
    with pytest.raises(errors.Invalid, match="AVOUCH_CA: holds no certificate"):
        replace(read, ca="nonsense").trusted_ca()
