"""What kubectl says becomes what we say. A script stands in for kubectl; the real one is asked in tests/api."""

import json
import os
import sys
from pathlib import Path

import pytest

from avouch import errors, kubectl

SCRIPT = """\
#!{python}
import json, sys
with open({log!r}, "a") as log:
    log.write(json.dumps([sys.argv[1:], sys.stdin.read() if "-" in sys.argv else ""]) + "\\n")
sys.stdout.write({out!r})
sys.stderr.write({err!r})
sys.exit({code})
"""


@pytest.fixture
def play(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Put a kubectl on PATH that says this; returns what it was asked."""
    log = tmp_path / "log"

    def put(out: str = "{}", err: str = "", code: int = 0):
        script = tmp_path / "kubectl"
        script.write_text(SCRIPT.format(python=sys.executable, log=str(log), out=out, err=err, code=code))
        script.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path))
        return lambda: [json.loads(line) for line in log.read_text().splitlines()]

    return put


def client(notices: list[str] | None = None, **said: str) -> kubectl.Kubectl:
    return kubectl.Kubectl((notices if notices is not None else []).append, **said)


@pytest.mark.parametrize(
    ("err", "family"),
    [
        ('Error from server (NotFound): contracts.chainloop.dev "x" not found', errors.NotFound),
        ("Error from server (AlreadyExists): it exists", errors.Conflict),
        ('Error from server (Conflict): error when replacing "STDIN"', errors.Conflict),
        ('Error from server (Forbidden): contracts is forbidden: User "jo" cannot', errors.Denied),
        ("error: You must be logged in to the server (Unauthorized)", errors.Unauthenticated),
        ("Unable to connect to the server: dial tcp: lookup x: no such host", errors.Unavailable),
        ("The connection to the server 127.0.0.1:1 was refused - did you specify the right host or port?",
         errors.Unavailable),
        ('The Contract "X" is invalid: metadata.name: Invalid value', errors.Invalid),
        ('Error from server (BadRequest): strict decoding error: unknown field "spec.x"', errors.Invalid),
        ("error: something new", errors.AvouchError),
        ("", errors.AvouchError),
    ],
)  # fmt: skip
def test_a_failure_keeps_kubectls_words_and_gets_its_family(play, err, family):
    play(out="", err=err, code=1)
    with pytest.raises(errors.AvouchError) as caught:
        client().get("contracts", "x")
    assert type(caught.value) is family
    assert caught.value.args[0] == (err.removeprefix("error: ") or "kubectl failed and said nothing")


def test_the_log_of_kubectls_libraries_is_left_out_where_it_says_anything_else(play):
    log = 'E1121 20:05:05.363987   24791 memcache.go:265] "Unhandled Error" err="refused"\n'
    play(out="", err=f"{log}{log}The connection to the server x was refused\n", code=1)
    with pytest.raises(errors.Unavailable) as caught:
        client().get("contracts", "x")
    assert caught.value.args[0] == "The connection to the server x was refused"
    play(out="", err=log, code=1)
    with pytest.raises(errors.AvouchError, match="Unhandled Error"):
        client().get("contracts", "x")


def test_kubeconfig_context_and_namespace_are_handed_on_where_they_were_said(play):
    asked = play(out='{"items": []}')
    client().list("workflows")
    client(kubeconfig="/k", context="c", namespace="n").list("workflows", everywhere=True)
    assert asked()[0][0] == ["get", "workflows", "-o", "json"]
    assert asked()[1][0] == [
        "--kubeconfig=/k", "--context=c", "--namespace=n", "get", "workflows", "-o", "json", "--all-namespaces",
    ]  # fmt: skip


def test_objects_go_in_as_json_and_never_through_a_shell(play):
    asked = play(out='{"kind": "X"}')
    assert client().create({"metadata": {"name": "$(touch /tmp/no); x"}}, "--dry-run=server") == {"kind": "X"}
    arguments, given = asked()[0]
    assert arguments == ["create", "--dry-run=server", "-o", "json", "-f", "-"]
    assert json.loads(given)["metadata"]["name"] == "$(touch /tmp/no); x"


def test_a_name_that_looks_like_an_option_is_no_option(play):
    asked = play()
    client().get("contracts", "--all-namespaces")
    assert asked()[0][0] == ["get", "contracts", "-o", "json", "--", "--all-namespaces"]


def test_a_warning_of_the_api_server_is_told_and_is_no_failure(play):
    play(out="{}", err="Warning: deprecated\n")
    notices: list[str] = []
    client(notices).get("contracts", "x")
    assert notices == ["Warning: deprecated"]


def test_what_a_login_plugin_asks_for_is_shown_while_kubectl_waits(tmp_path, monkeypatch):
    answer = tmp_path / "answer"
    os.mkfifo(answer)
    script = tmp_path / "kubectl"
    asks = (
        f"import sys; sys.stderr.write('enter code 7'); sys.stderr.flush(); open({str(answer)!r}).read(); print('{{}}')"
    )
    script.write_text(f"#!{sys.executable}\n{asks}\n")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(kubectl, "_PATIENCE", 0.05)
    asked: list[str] = []

    def notice(said: str) -> None:
        asked.append(said)
        answer.write_text("x")

    assert kubectl.Kubectl(notice).get("contracts", "x") == {}
    assert asked == ["enter code 7"]


def test_what_was_applied_is_told_beside_what_was_not(play):
    play(out="a created\n", err="error: b\n", code=1)
    told = client().apply([{"a": 1}])
    assert (told.output, told.complaint) == ("a created\n", "b")
    play(out="", err="error: nothing went\n", code=1)
    with pytest.raises(errors.AvouchError, match="nothing went"):
        client().apply([{"a": 1}])


@pytest.mark.parametrize("out", ["", "no json", "[]", '"x"'])
def test_an_answer_that_is_no_object_is_an_error(play, out):
    play(out=out)
    with pytest.raises(errors.AvouchError, match="kubectl did not answer"):
        client().get("contracts", "x")


def test_without_kubectl_the_error_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(errors.NotInstalled) as caught:
        client().get("contracts", "x")
    assert "install kubectl" in caught.value.fix


def test_the_namespace_is_what_was_said_else_the_contexts_else_default(play):
    asked = play(out="team-a")
    assert client(namespace="n").namespace() == "n"
    one = client()
    assert (one.namespace(), one.namespace()) == ("team-a", "team-a")
    assert len(asked()) == 1  # asked once
    play(out="")
    assert client().namespace() == "default"


def test_paths_of_the_api_are_asked_as_they_are_and_queries_written_for_them(play):
    asked = play(out="no json")
    assert client().raw("/apis/x/y z", {"fieldSelector": "a!=b,c=d"}) == "no json"
    assert client().raw("/apis/x/sha256:1") == "no json"
    assert [arguments for arguments, _ in asked()] == [
        ["get", "--raw", "/apis/x/y%20z?fieldSelector=a%21%3Db%2Cc%3Dd"],
        ["get", "--raw", "/apis/x/sha256:1"],
    ]
