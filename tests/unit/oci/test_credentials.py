import base64
import json
import stat
from pathlib import Path

import pytest

from avouch import errors
from avouch.oci import credentials


def config(**said: object) -> str:
    return json.dumps(said)


def auth(user: str, password: str) -> dict[str, str]:
    return {"auth": base64.b64encode(f"{user}:{password}".encode()).decode()}


def helper(folder: Path, name: str, script: str) -> None:
    path = folder / f"docker-credential-{name}"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def test_an_entry_is_found_under_each_of_its_spellings() -> None:
    for server in (
        "r.example:5000",
        "https://r.example:5000",
        "https://r.example:5000/v2/",
        "http://r.example:5000/v1/",
    ):
        found = credentials.of_config(config(auths={server: auth("ann", "p:w")}), "r.example:5000")
        assert found == credentials.Credential("ann", "p:w")


@pytest.mark.parametrize(
    ("repository", "user"),
    [("team/app", "app"), ("team/app/part", "app"), ("team/other", "team"), ("team", "team"), ("teams", "all"),
     ("other/team/app", "all"), ("", "all")],
)  # fmt: skip
def test_of_several_entries_the_most_specific_one_holds(repository: str, user: str) -> None:
    """containers-auth.json(5), and the kubelet's reading of a Secret."""
    auths = {"r.example": auth("all", "pw"), "r.example/team": auth("team", "pw"),
             "https://r.example/team/app": auth("app", "pw"), "x.example/team/app": auth("x", "pw")}  # fmt: skip
    for order in (auths, dict(reversed(auths.items()))):
        found = credentials.of_config(config(auths=order), f"r.example/{repository}")
        assert found is not None
        assert found.username == user


def test_an_entry_with_a_path_is_for_nothing_beside_it() -> None:
    text = config(auths={"r.example/team/app": auth("app", "pw")})
    for other in ("r.example", "r.example/team", "r.example/team/application", "x.example/team/app"):
        assert credentials.of_config(text, other) is None


def test_docker_hub_s_entry_with_a_path_is_found_too() -> None:
    text = config(auths={"docker.io/library": auth("ann", "pw"), "https://index.docker.io/v1/": auth("all", "pw")})
    found = [credentials.of_config(text, f"index.docker.io/{name}") for name in ("library/nginx", "acme/app")]
    assert [each and each.username for each in found] == ["ann", "all"]


def test_docker_hub_is_found_under_its_old_name() -> None:
    text = config(auths={"https://index.docker.io/v1/": auth("ann", "pw")})
    assert credentials.of_config(text, "index.docker.io") == credentials.Credential("ann", "pw")


@pytest.mark.parametrize("other", ["r.example", "r.example:5001", "xr.example:5000", "r.example:5000.evil.example"])
def test_no_other_registry_gets_it(other: str) -> None:
    assert credentials.of_config(config(auths={"r.example:5000": auth("ann", "pw")}), other) is None


def test_a_registrys_own_helper_comes_before_its_entry_and_the_entry_before_the_common_one() -> None:
    text = config(auths={"r.example": auth("file", "pw")}, credHelpers={"own.example": "own"}, credsStore="common")
    asked: list[tuple[str, str]] = []

    def ask(name: str, server: str) -> credentials.Credential | None:
        asked.append((name, server))
        return credentials.Credential(name, "pw")

    found = [credentials.of_config(text, registry, ask) for registry in ("own.example", "r.example", "third.example")]
    assert [each.username for each in found if each] == ["own", "file", "common"]
    assert asked == [("own", "own.example"), ("common", "third.example")]


def test_tokens_of_docker_login_are_taken() -> None:
    text = config(auths={"r.example": {"identitytoken": "refresh", "auth": base64.b64encode(b"ann:").decode()}})
    found = credentials.of_config(text, "r.example")
    assert found is not None
    assert (found.identity_token, found.basic) == ("refresh", "")


@pytest.mark.parametrize("text", ["{", "[]", "null", config(auths={"r.example": {"auth": "%%"}}), "[" * 100_000])
def test_a_broken_file_is_named_and_not_repeated(text: str) -> None:
    with pytest.raises(errors.Invalid) as raised:
        credentials.of_config(text, "r.example", where="/home/ann/.docker/config.json")
    assert "config.json" in str(raised.value)
    assert "%%" not in str(raised.value)


@pytest.mark.parametrize("text", [config(auths=[1]), config(auths={"r.example": 1}), config(credHelpers=3), "{}"])
def test_parts_of_another_form_are_no_credentials(text: str) -> None:
    assert credentials.of_config(text, "r.example", credentials.ask_helper) is None


def test_files_are_read_in_order(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(config(auths={"a.example": auth("docker", "pw")}))
    podman = tmp_path / "auth.json"
    podman.write_text(config(auths={"a.example": auth("podman", "pw"), "b.example": auth("podman", "pw")}))
    environment = {"DOCKER_CONFIG": str(tmp_path), "REGISTRY_AUTH_FILE": str(podman), "XDG_RUNTIME_DIR": "/nowhere"}
    found = [credentials.find(name, environment) for name in ("a.example", "b.example", "c.example")]
    assert [each and each.username for each in found] == ["docker", "podman", None]


def test_a_helper_is_asked_by_docker_s_protocol(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    helper(tmp_path, "good", 'read -r server; printf \'{"Username":"%s","Secret":"pw"}\' "$1 $server"')
    helper(tmp_path, "token", 'printf \'{"Username":"<token>","Secret":"refresh"}\'')
    helper(tmp_path, "none", "echo credentials not found in native keychain; exit 1")
    assert credentials.ask_helper("good", "r.example") == credentials.Credential("get r.example", "pw")
    assert credentials.ask_helper("token", "r.example") == credentials.Credential("", "", "refresh")
    assert credentials.ask_helper("none", "r.example") is None


@pytest.mark.parametrize("script", ["echo secret-of-mine; exit 1", "echo secret-of-mine", "exec 1>&-; exit 0"])
def test_a_helper_that_fails_is_named_and_its_words_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    helper(tmp_path, "bad", script)
    with pytest.raises(errors.Invalid, match="docker-credential-bad") as raised:
        credentials.ask_helper("bad", "r.example")
    assert "secret-of-mine" not in str(raised.value)


@pytest.mark.parametrize("name", ["../evil", "a/b", "", "-x", "nowhere-installed", "a b"])
def test_only_a_program_of_that_name_is_a_helper(name: str) -> None:
    with pytest.raises(errors.Invalid, match="no program"):
        credentials.ask_helper(name, "r.example")


def test_a_helper_that_hangs_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(credentials, "_SECONDS", 0.2)
    helper(tmp_path, "slow", "exec sleep 60")
    with pytest.raises(errors.Invalid, match="did not answer"):
        credentials.ask_helper("slow", "r.example")


def test_no_secret_shows_in_what_is_printed() -> None:
    found = credentials.Credential("ann", "pw-1", "it-2", "rt-3")
    assert [word for word in ("pw-1", "it-2", "rt-3") if word in repr(found)] == []
