"""Retries: when, how often, how long."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from avouch import clocks, errors
from avouch.sidecar import claim, push, settings, work
from tests.unit.sidecar import life, server


@contextmanager
def client(script: server.Script, root: Path, waits: list[float], budget: float = 100) -> Iterator[push.Client]:
    env = life.environment(root, 1, AVOUCH_SERVER=script.url, AVOUCH_CA=script.ca)
    found = push.Client(
        settings.read(env), budget, clock=clocks.Clock(monotonic=lambda: sum(waits), sleep=waits.append)
    )
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


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422])
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


def test_it_gives_up_after_five_tries_or_when_the_next_would_be_too_late(tmp_path: Path) -> None:
    script = server.Script(life.a_plan(tmp_path), failures=[(503, {})] * 9)
    with server.serving(script, tmp_path):
        with client(script, tmp_path, []) as talking, pytest.raises(errors.Unavailable):
            talking.open()
        assert len(script.requests) == 5
        script.failures[:] = [(429, {"Retry-After": "60"})]
        with client(script, tmp_path, [], budget=20) as talking, pytest.raises(errors.Unavailable):
            talking.open()
    assert len(script.requests) == 6


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
        pod = work.collect.Pod(tmp_path / "tekton", {"source": str(tmp_path / "ws")}, 1, 1000)
        (found,) = work.collect.collect(script.plan.materials, pod, {})
        (tmp_path / "ws" / "sbom.json").write_text("[]")
        run = claim.Opened(server.RUN, "w-1", "w", script.plan)
        assert found.file is not None
        with pytest.raises(errors.Invalid, match="changed after it was read"):
            talking.upload(run, found.file, 1000)


def exchange(talking: push.Client, script: server.Script, root: Path) -> None:
    """All that a sidecar says: it opens its runs, uploads a file, has its key certified and pushes."""
    (run,) = talking.open()
    pod = work.collect.Pod(root / "tekton", {"source": str(root / "ws")}, 1, 1000)
    (found,) = work.collect.collect(script.plan.materials, pod, {})
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
