"""What `opa` cannot reach, whatever a script makes it do: another machine, this one over the network, a file."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from avouch import errors, seccomp
from avouch.opa import child, engine, launching, program, server
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


_TRIED = """
import ctypes, errno, importlib.util, json, os, socket, sys
folder, outside, sockets = sys.argv[1:4]
spec = importlib.util.spec_from_file_location("child", sys.argv[4])
child = importlib.util.module_from_spec(spec)
spec.loader.exec_module(child)
libc = ctypes.CDLL(None, use_errno=True)
def tried(act):
    try:
        return act() and "done"
    except OSError as exc:
        return errno.errorcode[exc.errno]
def pulled(option):
    found = ctypes.c_int()
    libc.prctl(option, ctypes.byref(found))
    return found.value
def written(path):
    with open(path, "ab") as file:
        return file.write(b"x")
def probe(program, arguments, environment):
    json.dump({
        "read": {name: tried(lambda: os.open(name, os.O_RDONLY)) for name in (
            "/", "/root", "/home", "/etc", "/etc/hosts", "/run", "/var", "/var/run", "/tmp", "/opt", "/dev/null",
            "/proc", "/proc/version", "/sys", outside, os.path.dirname(outside))},
        "changed": {name: tried(act) for name, act in {
            "a file outside": lambda: written(outside),
            "a new file outside": lambda: written(outside + ".new"),
            "the program": lambda: written(program),
            "a file of the system": lambda: written("/usr/avouch-confined"),
            "a file of its own in /proc": lambda: written("/proc/self/oom_score_adj"),
            "a folder outside": lambda: os.mkdir(outside + ".folder") or True,
            "the name of a file outside": lambda: os.rename(outside, folder + "/taken") or True,
            "a link to one": lambda: os.link(outside, folder + "/linked") or True,
            "a symbolic link": lambda: os.symlink(folder, outside + ".symbolic") or True,
            "a pipe outside": lambda: os.mkfifo(outside + ".pipe") or True,
            "a socket outside": lambda: socket.socket(socket.AF_UNIX).bind(outside + ".sock") or True,
            "what is there": lambda: os.unlink(outside) or True,
        }.items()},
        "within": tried(lambda: written(folder + "/own")),
        "sockets": {name: tried(lambda: socket.socket(getattr(socket, name), kind)) for name, kind in (
            ("AF_INET", socket.SOCK_STREAM), ("AF_INET6", socket.SOCK_DGRAM), ("AF_NETLINK", socket.SOCK_RAW),
            ("AF_PACKET", socket.SOCK_RAW), ("AF_UNIX", socket.SOCK_STREAM))},
        "ended with its parent": pulled(2),
    }, sys.stdout)
os.execve = probe
child.become(child.Bounds(str(1 << 30), str(1 << 20), "0", sockets, folder), [sys.argv[5]])
"""


@pytest.fixture(scope="module")
def became() -> dict[str, Any]:
    """What a process can do in the moment in which it would become `opa`."""
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as other:
        outside, own = Path(other) / "secret", Path(other) / "opa"
        outside.write_text("secret")
        own.write_text("#!/bin/true")
        told = (folder, str(outside), seccomp.own_sockets().hex(), child.__file__, str(own))
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-c", _TRIED, *told], capture_output=True, timeout=60, check=True, env={}
        )
        left = sorted(path.name for path in Path(other).iterdir())
        assert own.read_text() == "#!/bin/true"
    return {**json.loads(done.stdout), "left outside": left}


@pytest.mark.skipif(sys.platform != "linux", reason="Landlock is Linux's")
def test_no_file_is_read_or_changed_but_in_its_folder(became: dict[str, Any]) -> None:
    assert set(became["read"].values()) <= {"EACCES", "ENOENT"}
    assert became["read"]["/etc/hosts"] == "EACCES"
    assert set(became["changed"].values()) <= {"EACCES", "EXDEV"}
    assert (became["within"], became["left outside"]) == ("done", ["opa", "secret"])


def test_it_has_sockets_of_this_machine_alone(became: dict[str, Any]) -> None:
    assert became["sockets"] == {
        "AF_INET": "EPERM", "AF_INET6": "EPERM", "AF_NETLINK": "EPERM", "AF_PACKET": "EPERM", "AF_UNIX": "done"
    }  # fmt: skip


def test_it_ends_when_we_end(became: dict[str, Any]) -> None:
    assert became["ended with its parent"] == signal.SIGKILL


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
async def test_the_engine_is_bounded_behind_others_and_holds_nothing_of_ours(opa: program.Program) -> None:
    limits = launching.Limits(memory=256 * launching.MIB, answer=launching.MIB, behind=1)
    held = os.open("/dev/null", os.O_RDONLY)
    os.set_inheritable(held, True)
    made = await server.Server.started(dataclasses.replace(opa, limits=limits))
    try:
        process = Path(f"/proc/{made._process.pid}")
        status = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines())
        assert {name: status[name].strip() for name in ("NoNewPrivs", "Seccomp")} == {"NoNewPrivs": "1", "Seccomp": "2"}
        bounds = {line[:26].strip(): line[26:].split()[:2] for line in (process / "limits").read_text().splitlines()}
        assert bounds["Max core file size"] == ["0", "0"]
        assert bounds["Max file size"] == 2 * [str(4 * launching.MIB)]
        assert bounds["Max data size"] == 2 * [str(256 * launching.MIB)]
        # After the program's name: state, parent, group, session, and 12 more, and how far it is behind.
        told = (process / "stat").read_text().rpartition(")")[2].split()
        assert told[2:4] == 2 * [str(made._process.pid)]
        assert int(told[16]) == min(os.getpriority(os.PRIO_PROCESS, 0) + 1, 19)
        assert (process / "cwd").readlink() == Path("/")
        assert (process / "fd/0").readlink() == Path("/dev/null")
        assert not (process / f"fd/{held}").exists() or (process / f"fd/{held}").readlink() != Path("/dev/null")
    finally:
        await made.end()
        os.close(held)


@pytest.mark.parametrize("refused", ["sockets", "Landlock"])
async def test_what_the_kernel_does_not_confine_does_not_start(
    refused: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if refused == "sockets":
        monkeypatch.setattr("avouch.seccomp.own_sockets", lambda: bytes(8))  # no program ends like this
        folder = str(tmp_path)
    else:
        folder = "/dev/null/nowhere"  # cannot be opened, so no right on it can be kept
    with pytest.raises(errors.Unavailable, match="does not start"):
        await program.run("/bin/true", folder=folder)
