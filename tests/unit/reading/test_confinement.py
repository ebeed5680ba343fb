"""What a reader process cannot do, whatever a document makes it do."""

import json
import platform
import subprocess
import sys
from pathlib import Path

import pytest

import avouch
from avouch import seccomp

ROOT = Path(avouch.__file__).parents[1]
_TRIED = """
import ctypes, errno, json, os, resource, signal, socket, sys
sys.path.insert(1, sys.argv[1])
from avouch import seccomp
from avouch.reading import confinement, wire
if sys.argv[2] == "without":
    seccomp.available = lambda: False
os.setpgid(0, 0)  # should a signal go out after all, it reaches nobody else
libc = ctypes.CDLL(None, use_errno=True)
parent, said = os.getppid(), {}
confinement.confine(wire.Limits())
def tried(name, act):
    try:
        act()
        said[name] = "done"
    except ValueError:
        said[name] = "EPERM"  # what `resource` makes of it
    except BaseException as exc:
        said[name] = errno.errorcode.get(getattr(exc, "errno", None), type(exc).__name__)
def traced():
    if libc.ptrace(16, parent, 0, 0) < 0:
        raise OSError(ctypes.get_errno(), "")
for name, act in {
    "read a file": lambda: open("/etc/hostname"),
    "write a file": lambda: open("/tmp/avouch-confined", "w"),
    "read its environment": lambda: os.open("/proc/self/environ", os.O_RDONLY),
    "open a socket": lambda: socket.socket(socket.AF_INET),
    "open a socket in place of its input": lambda: (os.close(0), socket.socket(socket.AF_UNIX)),
    "make a pipe": os.pipe,
    **({} if sys.argv[2] == "without" else {  # without it a process can be started, but opens nothing
        "start a process": lambda: os.posix_spawn("/bin/true", ["true"], {}),
    "become a program": lambda: os.execv("/bin/true", ["true"]),
    "end its parent": lambda: os.kill(parent, 0),
    "look into its parent": traced}),
    "be given more descriptors": lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64)),
    "be given more memory": lambda: resource.setrlimit(resource.RLIMIT_AS, (-1, -1)),
}.items():
    tried(name, act)
os.write(1, json.dumps(said).encode())
"""
_FILES = ("read a file", "write a file", "read its environment", "make a pipe")
_SOCKETS = ("open a socket", "open a socket in place of its input")


def tried(how: str) -> dict[str, str]:
    done = subprocess.run(
        [sys.executable, "-I", "-c", _TRIED, str(ROOT), how], capture_output=True, timeout=60, check=True, env={}
    )
    found: dict[str, str] = json.loads(done.stdout)
    return found


@pytest.mark.skipif(not seccomp.available(), reason="a filter of system calls needs Linux on x86-64 or 64-bit ARM")
def test_a_confined_process_can_do_nothing_but_read_and_answer():
    assert set(tried("with").values()) == {"EPERM"}


@pytest.mark.skipif(sys.platform != "linux", reason="limits of descriptors hold sockets on Linux")
def test_without_the_filter_there_is_still_no_file_and_no_socket():
    found = tried("without")
    assert {found[name] for name in (*_FILES, *_SOCKETS)} == {"EMFILE"}


def test_the_numbers_of_the_system_calls_are_those_of_this_machine():
    if platform.machine() != "x86_64" or sys.platform != "linux":
        pytest.skip("the header of another machine")
    header = Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h")
    if not header.exists():
        pytest.skip("this machine has no headers of its kernel")
    known = dict(line.split()[1:3] for line in header.read_text().splitlines() if line.startswith("#define __NR_"))
    assert {name: numbers[0] for name, numbers in seccomp._ALLOWED.items()} == {
        name: int(known[f"__NR_{name}"]) for name in seccomp._ALLOWED
    }
