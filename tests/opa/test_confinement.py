"""What `opa` cannot reach, whatever a script makes it do: another machine, this one over the network, a file."""

import json
import sys
from pathlib import Path

import pytest

from avouch import errors, seccomp
from avouch.opa import engine
from tests import loopback
from tests.opa.test_engine import HEAD, compiled

pytestmark = [
    pytest.mark.opa,
    pytest.mark.skipif(not seccomp.available(), reason="a filter of system calls needs Linux on x86-64 or 64-bit ARM"),
]


async def fetched(running: engine.Engine, reference: str) -> None:
    """Let OPA fetch a schema, which is the one of its functions that fetches without being asked to."""
    schema = json.dumps({"$ref": reference})
    rule = f'violations contains json.marshal(said) if {{ said := json.match_schema("5", {schema}) }}\n'
    script = await compiled(running, HEAD + rule)
    async with running.document("shop", b"{}") as asked:
        await asked.ask(script, {})


async def test_a_schema_does_not_make_it_reach_a_host(running: engine.Engine) -> None:
    with loopback.serving(lambda _: loopback.Reply(body=b'{"type": "string"}')) as metadata:
        with pytest.raises(errors.Invalid, match="operation not permitted"):
            await fetched(running, f"{metadata.url}/latest/meta-data")
        assert metadata.connections == 0


@pytest.mark.skipif(sys.platform != "linux", reason="Landlock is Linux's")
async def test_a_schema_does_not_make_it_read_a_file(running: engine.Engine, tmp_path: Path) -> None:
    secret = tmp_path / "token.json"
    secret.write_text('{"type": "string"}')
    for path in (secret, "/etc/passwd", "/proc/1/environ", f"/proc/self/root{secret}"):
        with pytest.raises(errors.Invalid, match="permission denied"):
            await fetched(running, f"file://{path}")


async def test_time_zones_are_still_known(running: engine.Engine) -> None:
    script = await compiled(running, HEAD + 'violations contains time.format([0, "America/New_York"])\n')
    async with running.document("shop", b"{}") as asked:
        assert (await asked.ask(script, {}))["violations"] == ["1969-12-31T19:00:00-05:00"]
