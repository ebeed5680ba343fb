from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from avouch import errors, proxies
from avouch.attestation import authority
from avouch.client import access

CERTIFICATE = authority.new_authority(
    "test", datetime(2031, 1, 1, tzinfo=UTC), timedelta(days=1)
).certificate_pem.decode()
STORED = access.Login("https://stored.example", "stored-token", CERTIFICATE)


def resolved(environment: dict[str, str] | None = None, **given: str) -> access.Access:
    return access.resolve(access.Login(**given), environment or {}, STORED)


def test_flags_come_before_variables_and_those_before_the_file():
    environment = {"AVOUCH_SERVER": "https://env.example", "AVOUCH_TOKEN": "env-token"}
    assert resolved(environment, server="https://flag.example", token="flag").host == "flag.example"  # noqa: S106
    assert (resolved(environment).host, resolved(environment).token) == ("env.example", "env-token")
    assert (resolved().host, resolved().token) == ("stored.example", "stored-token")


def test_a_stored_token_and_ca_are_for_the_server_that_they_were_stored_for_only():
    found = resolved(server="https://other.example")
    assert (found.token, found.ca) == ("", "")


@pytest.mark.parametrize(
    "server",
    ["http://a.example", "a.example", "https://", "https://user:x@a.example", "https://a.example?x=1", "https://[::1",
     "https://a.example:99999", "ftp://a.example"],
)  # fmt: skip
def test_an_address_that_a_token_must_not_go_to_is_refused(server: str):
    with pytest.raises(errors.Invalid):
        resolved(server=server)


def test_no_server_at_all_is_told_with_three_ways_out():
    with pytest.raises(errors.Invalid, match="no server is known") as caught:
        access.resolve(access.Login(), {}, access.Login())
    assert "AVOUCH_SERVER" in caught.value.fix


@pytest.mark.parametrize("token", ["two words", "line\nbreak", "tökén", "a\r\nHost: x"])
def test_a_token_that_could_smuggle_a_header_is_refused(token: str):
    with pytest.raises(errors.Invalid, match="not a token"):
        resolved(token=token)


def test_a_token_from_a_file_may_end_in_a_newline():
    assert resolved({"AVOUCH_TOKEN": "abc\n"}).token == "abc"  # noqa: S105


def test_the_ca_is_text_or_a_file(tmp_path: Path):
    (tmp_path / "ca.pem").write_text(f"# Főtanúsítvány\n{CERTIFICATE}")
    assert access.trusted(CERTIFICATE) == access.trusted(str(tmp_path / "ca.pem")) == CERTIFICATE


@pytest.mark.parametrize("way", ["variable", "file"])
def test_a_ca_that_lost_its_lines_names_the_variable(tmp_path: Path, way: str):
    text = CERTIFICATE.replace("\n", r"\n")
    (tmp_path / "ca.pem").write_text(text)
    with pytest.raises(errors.Invalid, match=r"has \\n where its lines end") as raised:
        access.trusted(text if way == "variable" else str(tmp_path / "ca.pem"))
    assert raised.value.field.startswith("AVOUCH_CA")
    assert ("ca.pem" in raised.value.field) is (way == "file")


@pytest.mark.parametrize("content", [b"", b"nothing", b"\xff\xfe"])
def test_a_ca_file_without_a_certificate_is_refused_not_ignored(tmp_path: Path, content: bytes):
    (tmp_path / "ca.pem").write_bytes(content)
    with pytest.raises(errors.Invalid):
        access.trusted(str(tmp_path / "ca.pem"))


def test_a_ca_file_that_is_not_there_is_refused_not_ignored():
    with pytest.raises(errors.Invalid, match="neither PEM nor a readable file"):
        access.trusted("/nowhere/ca.pem")


def test_the_server_is_written_down_as_it_can_be_read_again():
    for text in ("https://a.example", "https://a.example:8443/base", "https://[::1]:8443"):
        assert resolved(server=text).server == text


@pytest.mark.parametrize(
    ("exceptions", "covered"),
    [("", False), ("*", True), ("a.example", True), (".example", True), ("example", True), ("b.example", False),
     ("xample", False), ("a.example:443", True), ("a.example:8443", False), ("x, a.example", True),
     ("*.example", True)],
)  # fmt: skip
def test_no_proxy_is_read_as_curl_reads_it(exceptions: str, covered: bool):
    assert proxies.excepted(exceptions, "a.example", 443) is covered


@pytest.mark.parametrize(("exceptions", "covered"), [("10.0.0.0/8", True), ("10.1.2.3", True), ("11.0.0.0/8", False)])
def test_no_proxy_may_name_networks(exceptions: str, covered: bool):
    assert proxies.excepted(exceptions, "10.1.2.3", 443) is covered


def test_a_proxy_with_a_user_is_greeted_with_its_password_and_never_shown():
    found = proxies.of({"HTTPS_PROXY": "http://me:s%40cret@proxy.example:3128"}, "a.example", 443)
    assert found is not None
    assert (found.host, found.port, found.authorization) == ("proxy.example", 3128, "Basic bWU6c0BjcmV0")
    assert "bWU6" not in repr(found)


def test_a_small_variable_comes_before_a_large_one():
    found = proxies.of({"HTTPS_PROXY": "http://b:1", "https_proxy": "http://a:1"}, "x.example", 443)
    assert found is not None
    assert found.host == "a"


@pytest.mark.parametrize("text", ["socks5://p:1", "https://p:1", "http://", "http://p:xx"])
def test_a_proxy_that_we_cannot_speak_to_is_told(text: str):
    with pytest.raises(errors.Invalid):
        proxies.of({"HTTPS_PROXY": text}, "a.example", 443)
