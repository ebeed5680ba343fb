"""Retries: when, how often, how long."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from avouch import clocks, errors
from avouch.sidecar import claim, collect, files, push, settings, work
from tests import loopback
from tests.unit.sidecar import life, server


@contextmanager
def client(
    script: server.Script, root: Path, waits: list[float], budget: float = 100, *, explicit: bool = False
) -> Iterator[push.Client]:
    env = life.environment(root, 1, AVOUCH_SERVER=script.url, AVOUCH_CA=script.ca)
    clock = clocks.Clock(monotonic=lambda: sum(waits), sleep=waits.append)
    found = push.Client(settings.read(env), budget, explicit=explicit, clock=clock)
    try:
        yield found
    finally:
        found.close()


def test_it_waits_as_long_as_the_server_asks_and_reads_the_token_anew(tmp_path: Path) -> None:
    script = server.Script(life.a_plan(tmp_path), failures=[(429, {"Retry-After": "7"}), (503, {})])
    waits: list[float] = []
    with server.serving(script, tmp_path), client(script, tmp_path, waits) as talking:
        (run,) = talking.open()
    assert run.workflow == "w"
    assert waits[0] == 7
    assert 0.2 <= waits[1] <= 0.4


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_an_answer_that_may_be_another_one_later_is_asked_for_again(tmp_path: Path, status: int) -> None:
    script = server.Script(life.a_plan(tmp_path), failures=[(status, {})])
    waits: list[float] = []
    with server.serving(script, tmp_path), client(script, tmp_path, waits) as talking:
        talking.open()
    assert (len(script.requests), len(waits)) == (2, 1)


@pytest.mark.parametrize("status", [300, 307, 400, 401, 403, 404, 409, 422])
def test_a_refusal_is_not_tried_again(tmp_path: Path, status: int) -> None:
    script = server.Script(life.a_plan(tmp_path), failures=[(status, {})])
    with (
        server.serving(script, tmp_path),
        client(script, tmp_path, []) as talking,
        pytest.raises(errors.Denied, match=f"{status}: scripted"),
    ):
        talking.open()
    assert len(script.requests) == 1


def test_a_claim_that_is_accepted_although_it_came_late_is_done(tmp_path: Path) -> None:
    script = server.Script(life.a_plan(tmp_path))
    with server.serving(script, tmp_path), client(script, tmp_path, []) as talking:
        (run,) = talking.open()
        script.failures.append((202, {}))
        assert talking.push(run, b"claim") == {"title": "scripted"}
    assert script.bodies("/bundles") == [b"claim"]


def test_a_sidecar_tries_for_all_of_its_time_and_never_later(tmp_path: Path) -> None:
    script = server.Script(life.a_plan(tmp_path), failures=[(503, {"Retry-After": "3"})] * 6)
    waits: list[float] = []
    with server.serving(script, tmp_path), client(script, tmp_path, waits, budget=20) as talking:
        talking.open()
        assert (len(script.requests), sum(waits)) == (7, 18)
        script.failures[:] = [(429, {"Retry-After": "2"})]
        with pytest.raises(errors.Unavailable):
            talking.open()
    assert (len(script.requests), sum(waits)) == (8, 18)


def test_a_server_that_is_gone_for_longer_than_five_tries_still_gets_the_claim(tmp_path: Path) -> None:
    script = server.Script(life.a_plan(tmp_path), failures=[(503, {})] * 12)
    waits: list[float] = []
    with server.serving(script, tmp_path), client(script, tmp_path, waits, budget=60) as talking:
        talking.open()
    assert len(script.requests) == 13


def test_a_server_that_asks_for_no_pause_is_given_one(tmp_path: Path) -> None:
    script = server.Script(life.a_plan(tmp_path), failures=[(503, {"Retry-After": "0"})] * 3)
    waits: list[float] = []
    with server.serving(script, tmp_path), client(script, tmp_path, waits) as talking:
        talking.open()
    assert all(wait >= least for wait, least in zip(waits, (0.1, 0.2, 0.4), strict=True))


def test_a_step_for_which_a_build_waits_gives_up_after_five_tries(tmp_path: Path) -> None:
    script = server.Script(life.a_plan(tmp_path), failures=[(503, {})] * 9)
    with (
        server.serving(script, tmp_path),
        client(script, tmp_path, [], explicit=True) as talking,
        pytest.raises(errors.Unavailable),
    ):
        talking.open()
    assert len(script.requests) == 5


def test_a_server_with_another_ca_gets_no_token(tmp_path: Path) -> None:
    script = server.Script(life.a_plan(tmp_path))
    (tmp_path / "other").mkdir()
    with server.serving(script, tmp_path):
        script.ca = server.certificate(tmp_path / "other")
        with (
            client(script, tmp_path, []) as talking,
            pytest.raises(errors.Unavailable, match="CERTIFICATE_VERIFY_FAILED"),
        ):
            talking.open()
    assert not script.requests


def test_a_file_that_changed_after_hashing_is_a_finding(tmp_path: Path) -> None:
    script = server.Script(life.a_plan(tmp_path))
    (tmp_path / "ws" / "sbom.json").write_text("{}")
    with server.serving(script, tmp_path), client(script, tmp_path, []) as talking:
        pod = collect.Pod(tmp_path / "tekton", {"source": str(tmp_path / "ws")}, 1, 1000)
        (found,) = collect.collect(script.plan.materials, pod, {})
        (tmp_path / "ws" / "sbom.json").write_text("[]")
        run = claim.Opened(server.RUN, "w-1", "w", script.plan)
        assert found.file is not None
        with pytest.raises(errors.Invalid, match="changed after it was read"):
            talking.upload(run, found.file, 1000)


def test_a_file_that_changes_while_it_is_sent_is_a_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = server.Script(life.a_plan(tmp_path))
    file = tmp_path / "ws" / "sbom.json"
    file.write_text("{}")
    (found,) = collect.collect(script.plan.materials, a_pod(tmp_path), {})
    read = files.pieces

    def pieces(descriptor: int, limit: int, path: str) -> Iterator[bytes]:
        yield from read(descriptor, limit, path)
        os.utime(file, (1, 1))

    monkeypatch.setattr(files, "pieces", pieces)
    with server.serving(script, tmp_path), client(script, tmp_path, []) as talking:
        assert found.file is not None
        with pytest.raises(errors.Invalid, match="changed while it was sent"):
            talking.upload(claim.Opened(server.RUN, "w-1", "w", script.plan), found.file, 1000)


def test_without_a_token_nothing_is_sent(tmp_path: Path) -> None:
    script = server.Script(life.a_plan(tmp_path))
    with server.serving(script, tmp_path), client(script, tmp_path, []) as talking:
        (tmp_path / "identity" / "token").unlink()
        with pytest.raises(errors.Invalid, match="no token in"):
            talking.open()
    assert script.requests == []


@pytest.mark.parametrize(
    ("header", "seconds"),
    [(None, None), ("", None), ("soon", None), ("1.5", None), ("-1", None), ("\u00b2", None), ("7", 7.0), ("0", 0.0)],
)
def test_seconds_are_digits(header: str | None, seconds: float | None) -> None:
    assert push.retry_after(header) == seconds


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"{}", "no explanation"),
        (b"no json", "no explanation"),
        (b'["title"]', "no explanation"),
        (b'{"title": "t", "other": "o", "fix": "f", "detail": "", "field": null}', "t (fix: f)"),
        (b'{"detail": "d", "field": "a.b"}', "d; a.b"),
    ],
)
def test_a_refusal_says_what_the_server_said(tmp_path: Path, answer: bytes, said: str) -> None:
    with answering(tmp_path, 403, answer) as talking, pytest.raises(errors.Denied) as caught:
        talking.open()
    assert str(caught.value) == f"the server answered 403: {said}"


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"no json", "the server's answer is not JSON"),
        (b"[]", "the server's answer is not an object"),
        (b'{"runs": [{}]}', "the server's answer is not a run: 'plan'"),
        (b'{"runs": ["x"]}', "the server's answer is not a run"),
        (b'{"runs": 1}', "the server's answer is not a list of runs"),
        (b'{"runs": [{"plan": {}}]}', "not a plan"),
    ],
)
def test_an_answer_that_is_none_is_said(tmp_path: Path, answer: bytes, said: str) -> None:
    with answering(tmp_path, 200, answer) as talking, pytest.raises(errors.Invalid, match=said):
        talking.open()


@pytest.mark.parametrize("answer", [b"{}", b'{"certificate": null}'])
def test_an_answer_without_a_certificate_is_said(tmp_path: Path, answer: bytes) -> None:
    run = claim.Opened(server.RUN, "w-1", "w", life.a_plan(tmp_path))
    with answering(tmp_path, 200, answer) as talking, pytest.raises(errors.Invalid, match="has no certificate"):
        talking.certificate(run, b"CSR")


@pytest.mark.parametrize("answer", [b"{}", b'{"runs": null}', b'{"runs": []}'])
def test_a_pod_that_owes_nothing_has_no_runs(tmp_path: Path, answer: bytes) -> None:
    with answering(tmp_path, 200, answer) as talking:
        assert talking.open() == ()


@contextmanager
def answering(root: Path, status: int, answer: bytes) -> Iterator[push.Client]:
    """A client of a server that gives one answer to everything."""
    secure = loopback.tls(root)
    script = server.Script(life.a_plan(root), ca=secure.authority.read_text())
    with loopback.serving(lambda _: loopback.Reply(status, answer), secure) as listening:
        script.url = listening.url
        with client(script, root, []) as talking:
            yield talking


def a_pod(root: Path) -> collect.Pod:
    return collect.Pod(root / "tekton", {"source": str(root / "ws")}, 1, 1000)


def exchange(talking: push.Client, script: server.Script, root: Path) -> None:
    """All that a sidecar says: it opens its runs, uploads a file, has its key certified and pushes."""
    (run,) = talking.open()
    pod = collect.Pod(root / "tekton", {"source": str(root / "ws")}, 1, 1000)
    (found,) = collect.collect(script.plan.materials, pod, {})
    assert found.file is not None
    talking.upload(run, found.file, 1000)
    talking.certificate(run, b"-----BEGIN CERTIFICATE REQUEST-----")
    talking.push(run, b"bundle")


def test_one_connection_serves_the_whole_exchange(tmp_path: Path) -> None:
    script = server.Script(life.a_plan(tmp_path))
    (tmp_path / "ws" / "sbom.json").write_text("{}")
    with server.serving(script, tmp_path), client(script, tmp_path, []) as talking:
        exchange(talking, script, tmp_path)
    assert (len(script.requests), script.connections) == (4, 1)
    sent = [(headers["Content-Type"], headers["Accept"]) for _, _, headers, _ in script.requests]
    bundle = "application/vnd.dev.sigstore.bundle.v0.3+json"
    types = ["application/json", "application/octet-stream", "application/json", bundle]
    assert sent == [(each, "application/json") for each in types]
    assert json.loads(script.bodies("/certificate")[0]) == {"csr": "-----BEGIN CERTIFICATE REQUEST-----"}


def test_a_server_that_closes_after_each_answer_costs_connections_and_no_wait(tmp_path: Path) -> None:
    script = server.Script(life.a_plan(tmp_path), hangs_up=True)
    (tmp_path / "ws" / "sbom.json").write_text("{}")
    waits: list[float] = []
    with server.serving(script, tmp_path), client(script, tmp_path, waits) as talking:
        exchange(talking, script, tmp_path)
    assert [path.rpartition("/")[2][:6] for _, path, _, _ in script.requests] == ["runs", "sha256", "certif", "bundle"]
    assert script.bodies(f"{script.requests[1][1]}") == [b"{}"]
    assert (script.connections, waits) == (4, [])


def test_a_file_that_a_full_quota_refuses_is_a_finding_of_the_claim_and_not_sent_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = server.Script(life.a_plan(tmp_path), refuses=server.FULL)
    (tmp_path / "ws" / "sbom.json").write_text("{}")
    workspaces = json.dumps({"source": str(tmp_path / "ws")})
    with server.serving(script, tmp_path):
        env = life.environment(tmp_path, 1, AVOUCH_SERVER=script.url, AVOUCH_CA=script.ca, AVOUCH_WORKSPACES=workspaces)
        for name, value in env.items():
            monkeypatch.setenv(name, value)
        assert work.main([], 1) == 0
    paths = [path.rpartition("/")[2][:6] for _, path, _, _ in script.requests]
    assert paths == ["runs", "sha256", "certif", "bundle"]
    (finding,) = claim_findings(script)
    assert "quotas.artifactBytes" in finding
    assert "keep runs for a shorter time" in finding


def claim_findings(script: server.Script) -> list[str]:
    annotations = script.statement()["predicate"]["annotations"]
    return [text for name, text in annotations.items() if name.startswith("avouch.dev/finding.")]
