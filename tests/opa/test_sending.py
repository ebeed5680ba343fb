"""`http.send` of scripts: the real OPA, real servers on loopback, and every way to reach more than is allowed."""

import asyncio
import ipaddress
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from avouch import destinations, errors
from avouch.opa import engine, gateway, program
from avouch.policy import rego
from tests import loopback
from tests.opa.conftest import finding
from tests.opa.test_engine import HEAD, compiled

pytestmark = pytest.mark.opa

HERE = destinations.Destinations(networks=(ipaddress.IPv4Network("127.0.0.0/8"), ipaddress.IPv6Network("::1/128")))
RECORDING = HEAD + "violations contains json.marshal(http.send(input.request))\n"


@pytest.fixture
def tls(tmp_path: Path) -> loopback.Tls:
    return loopback.tls(tmp_path)


@pytest.fixture
def served(tls: loopback.Tls) -> Iterator[loopback.Server]:
    with loopback.serving(lambda _: loopback.Reply(body=b'{"a": 1.10}', headers=JSON), tls) as server:
        yield server


@pytest.fixture
async def local(opa: program.Program) -> Any:
    """An engine whose scripts may ask hosts on loopback."""
    made = engine.Engine(finding(opa), HERE)
    yield made
    await made.close()


JSON = {"Content-Type": "application/json; charset=utf-8"}


async def asked(
    made: engine.Engine, request: Any, *hosts: str, source: str = RECORDING, tenant: str = "shop"
) -> dict[str, Any]:
    """What a script is told."""
    script = await compiled(made, source)
    async with made.document(tenant, json.dumps({"request": request}).encode()) as document:
        said = await document.ask(script, {}, None, hosts or ("localhost",))
        (told,) = said["violations"]
        found: dict[str, Any] = json.loads(told)
        return found


def request(served: loopback.Server, tls: loopback.Tls, **said: Any) -> dict[str, Any]:
    return {"method": "get", "url": f"{served.url}/a", "tls_ca_cert": tls.authority.read_text(), **said}


async def test_a_host_that_is_allowed_answers_as_opa_tells_it(
    local: engine.Engine, served: loopback.Server, tls: loopback.Tls
) -> None:
    said = request(served, tls, method="post", headers={"X-Mine": "1"}, body={"b": [1]})
    found = await asked(local, said)
    assert (found["status_code"], found["status"], found["raw_body"]) == (200, "200 OK", '{"a": 1.10}')
    assert found["body"] == {"a": 1.1}
    assert found["headers"]["content-type"] == [JSON["Content-Type"]]
    (seen,) = served.seen
    assert (seen.method, seen.path, seen.headers["x-mine"], json.loads(seen.body)) == ("POST", "/a", "1", {"b": [1]})
    assert "proxy-authorization" not in seen.headers


@pytest.mark.parametrize(
    ("reply", "forced", "body"),
    [
        (loopback.Reply(body=b"[1]"), {}, None),
        (loopback.Reply(body=b"[1]"), {"force_json_decode": True}, [1]),
        (loopback.Reply(body=b"no json", headers=JSON), {}, None),
        (loopback.Reply(body=b"a: 1", headers={"Content-Type": "application/yaml"}), {}, {"a": 1}),
        (loopback.Reply(body=b"a: 1"), {"force_yaml_decode": True}, {"a": 1}),
        (loopback.Reply(404, b"{}", JSON), {}, {}),
    ],
)
async def test_bodies_are_read_as_opa_reads_them(
    local: engine.Engine, tls: loopback.Tls, reply: loopback.Reply, forced: dict[str, bool], body: Any
) -> None:
    with loopback.serving(lambda _: reply, tls) as served:
        found = await asked(local, request(served, tls, **forced))
    assert (found["body"], found["status_code"]) == (body, reply.status)


@pytest.mark.parametrize(
    "spelt",
    [
        'http["send"](input.request)',
        "f(input.request) with f as http.send",
        "http.send(input.request) with data.avouch.gateway as 1",
    ],
)
async def test_however_it_is_written_it_is_ours(
    local: engine.Engine, served: loopback.Server, tls: loopback.Tls, spelt: str
) -> None:
    source = HEAD + f"f(_) := 1\nviolations contains json.marshal(said) if {{ said := {spelt} }}\n"
    assert (await asked(local, request(served, tls), source=source))["status_code"] == 200
    with pytest.raises(errors.Invalid, match="may not ask localhost"):
        await asked(local, request(served, tls), "other.example", source=source)


async def test_a_script_may_have_its_own_http(local: engine.Engine) -> None:
    source = HEAD + 'violations contains json.marshal(http) if { some http in [{"send": 1}]; http.send == 1 }\n'
    assert await asked(local, {}, source=source) == {"send": 1}


async def test_a_test_of_a_policy_can_stand_in_for_it(local: engine.Engine) -> None:
    source = HEAD + (
        'f(_) := {"mine": true}\nviolations contains json.marshal(said) if { said := g with http.send as f }\n'
        "g := http.send(input.request)\n"
    )
    assert await asked(local, {}, source=source) == {"mine": True}


@pytest.mark.parametrize(
    "said",
    [{"url": "https://169.254.169.254/"}, {"url": "unix://localhost/v1/data?socket=%2Ftmp%2Fopa.sock"}],
    ids=["metadata", "a socket of this machine"],
)
async def test_what_is_refused_fails_the_evaluation_whatever_the_script_makes_of_it(
    local: engine.Engine, served: loopback.Server, tls: loopback.Tls, said: dict[str, Any]
) -> None:
    quiet = HEAD + 'violations contains "never" if http.send(input.request).body.a\n'
    with pytest.raises(errors.Invalid, match=r"may not ask 169|by unix"):
        await asked(local, request(served, tls, **said, raise_error=False), source=quiet)
    assert served.seen == []


async def test_a_host_that_is_away_fails_the_evaluation_unless_the_script_says_otherwise(
    local: engine.Engine, tls: loopback.Tls
) -> None:
    with loopback.serving(lambda _: loopback.Reply(0), tls) as served:
        said = request(served, tls)
        with pytest.raises(errors.Invalid, match="localhost was not reached"):
            await asked(local, said)
        found = await asked(local, {**said, "raise_error": False})
    assert (found["status_code"], found["error"]["code"]) == (0, "eval_http_send_network_error")


async def test_one_evaluation_makes_a_few_requests(
    local: engine.Engine, served: loopback.Server, tls: loopback.Tls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway, "REQUESTS", 3)
    many = HEAD + (
        "violations contains json.marshal(all) if {\n"
        "  all := [code | some i in numbers.range(1, 4)\n"
        '    code := http.send(object.union(input.request, {"headers": {"X": sprintf("%d", [i])}})).status_code]\n}\n'
    )
    with pytest.raises(errors.Invalid, match="more than 3 requests"):
        await asked(local, request(served, tls), source=many)
    assert len(served.seen) == 3


async def test_the_same_request_is_made_once_in_an_evaluation_and_anew_in_the_next(
    local: engine.Engine, served: loopback.Server, tls: loopback.Tls
) -> None:
    twice = HEAD + (
        "violations contains json.marshal(a) if {\n"
        "  a := http.send(input.request)\n  b := http.send(input.request)\n  a == b\n}\n"
    )
    said = request(served, tls, force_cache=True, force_cache_duration_seconds=3600)
    for count, tenant in enumerate(("shop", "shop", "bank"), 1):
        await asked(local, said, source=twice, tenant=tenant)
        assert len(served.seen) == count


async def test_an_evaluation_that_is_left_leaves_no_socket(
    local: engine.Engine, tls: loopback.Tls, opa: program.Program
) -> None:
    with loopback.serving(lambda _: loopback.Reply(drips=True), tls) as served:
        task = asyncio.create_task(asked(local, request(served, tls)))
        async with asyncio.timeout(30):
            while not served.seen:
                await asyncio.sleep(0.01)
        folder = Path((await local.server("shop"))._folder)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert [each.name for each in folder.glob("*.sock")] in ([], ["opa.sock"])


async def test_a_script_that_shadows_what_it_calls_is_no_script(local: engine.Engine) -> None:
    made = await local.compiled(HEAD + "violations contains 1 if { http := input; http.send(http) }\n")
    assert not isinstance(made, rego.Compiled)
