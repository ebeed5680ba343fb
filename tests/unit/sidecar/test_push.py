"""Retries: when, how often, how long."""

from pathlib import Path

import pytest

from avouch import errors
from avouch.sidecar import claim, push, settings, work
from tests.unit.sidecar import life, server


def client(script: server.Script, root: Path, waits: list[float], budget: float = 100) -> push.Client:
    env = life.environment(root, 1, AVOUCH_SERVER=script.url, AVOUCH_CA=script.ca)
    return push.Client(settings.read(env), budget, clock=push.Clock(monotonic=lambda: sum(waits), sleep=waits.append))


def test_it_waits_as_long_as_the_server_asks_and_reads_the_token_anew(tmp_path: Path) -> None:
    script = server.Script(life.a_plan(tmp_path), failures=[(429, {"Retry-After": "7"}), (503, {})])
    waits: list[float] = []
    with server.serving(script, tmp_path):
        (run,) = client(script, tmp_path, waits).open()
    assert run.workflow == "w"
    assert waits[0] == 7
    assert 0.2 <= waits[1] <= 0.4


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422])
def test_a_refusal_is_not_tried_again(tmp_path: Path, status: int) -> None:
    script = server.Script(life.a_plan(tmp_path), failures=[(status, {})])
    with server.serving(script, tmp_path), pytest.raises(errors.Denied, match=f"{status}: scripted"):
        client(script, tmp_path, []).open()
    assert len(script.requests) == 1


def test_it_gives_up_after_five_tries_or_when_the_next_would_be_too_late(tmp_path: Path) -> None:
    script = server.Script(life.a_plan(tmp_path), failures=[(503, {})] * 9)
    with server.serving(script, tmp_path):
        with pytest.raises(errors.Unavailable):
            client(script, tmp_path, []).open()
        assert len(script.requests) == 5
        script.failures[:] = [(429, {"Retry-After": "60"})]
        with pytest.raises(errors.Unavailable):
            client(script, tmp_path, [], budget=20).open()
    assert len(script.requests) == 6


def test_a_server_with_another_ca_gets_no_token(tmp_path: Path) -> None:
    script = server.Script(life.a_plan(tmp_path))
    (tmp_path / "other").mkdir()
    with server.serving(script, tmp_path):
        script.ca = server.certificate(tmp_path / "other")
        with pytest.raises(errors.Unavailable, match="CERTIFICATE_VERIFY_FAILED"):
            client(script, tmp_path, []).open()
    assert not script.requests


def test_a_file_that_changed_after_hashing_is_a_finding(tmp_path: Path) -> None:
    script = server.Script(life.a_plan(tmp_path))
    (tmp_path / "ws" / "sbom.json").write_text("{}")
    with server.serving(script, tmp_path):
        talking = client(script, tmp_path, [])
        pod = work.collect.Pod(tmp_path / "tekton", {"source": str(tmp_path / "ws")}, 1, 1000)
        (found,) = work.collect.collect(script.plan.materials, pod, {})
        (tmp_path / "ws" / "sbom.json").write_text("[]")
        run = claim.Opened(server.RUN, "w-1", "w", script.plan)
        assert found.file is not None
        with pytest.raises(errors.Invalid, match="changed after it was read"):
            talking.upload(run, found.file, 1000)
