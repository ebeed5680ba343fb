"""Filters of system calls that any process may put on itself: what they do not allow is refused with EPERM.

One for processes that read documents, of what is named here; one for programs that speak with this machine alone.
Linux on x86-64 and 64-bit ARM. It needs no privilege, works below a runtime's own profile, and cannot be taken off.
"""

import ctypes
import errno
import platform
import struct
import sys
from collections.abc import Sequence
from typing import NamedTuple


class _Machine(NamedTuple):
    """What differs between processors."""

    architecture: int  # AUDIT_ARCH of linux/audit.h
    place: int  # of its numbers in the table


_MACHINES = {"x86_64": _Machine(0xC000003E, 0), "aarch64": _Machine(0xC00000B7, 1)}

# What reading takes: its two pipes, memory, time, and an end. No file, no socket, no process, no signal to others.
_ALLOWED = {
    "read": (0, 63),
    "write": (1, 64),
    "close": (3, 57),
    "mmap": (9, 222),
    "mprotect": (10, 226),
    "munmap": (11, 215),
    "brk": (12, 214),
    "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139),
    "sched_yield": (24, 124),
    "mremap": (25, 216),
    "madvise": (28, 233),
    "setitimer": (38, 103),
    "exit": (60, 93),
    "gettimeofday": (96, 169),
    "getrusage": (98, 165),
    "sigaltstack": (131, 132),
    "futex": (202, 98),
    "restart_syscall": (219, 128),
    "clock_gettime": (228, 113),
    "exit_group": (231, 94),
    "getrandom": (318, 278),
}
_NO_NEW_PRIVILEGES, _SET_SECCOMP, _FILTER = 38, 22, 2  # of linux/prctl.h and linux/seccomp.h
_SOCKET, _IO_URING = (41, 198), 425  # the second makes sockets as well, without the first
_UNIX = 1  # AF_UNIX
_OTHER_ABI = 0x40000000  # x32's numbers begin here; no other architecture has as many
_LOAD, _EQUAL, _FROM, _ANSWER = 0x20, 0x15, 0x35, 0x06  # of linux/bpf_common.h: ld absolute, jeq, jge, ret
_NUMBER, _ARCHITECTURE, _FIRST = 0, 4, 16  # where they lie in seccomp_data; the first argument's lower half
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000 | errno.EPERM


def available() -> bool:
    """Whether this machine is one that the table knows."""
    return sys.platform == "linux" and platform.machine() in _MACHINES


def install() -> None:
    """Refuse from now on what the table does not name; for this thread and those that it starts.

    Raises:
        OSError: the kernel does not take it.
    """
    machine = _MACHINES[platform.machine()]
    program = _program(machine)
    libc = ctypes.CDLL(None, use_errno=True)
    buffer = ctypes.create_string_buffer(program, len(program))
    described = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(buffer)))
    for arguments in ((_NO_NEW_PRIVILEGES, 1, 0), (_SET_SECCOMP, _FILTER, described)):
        words = [each if isinstance(each, ctypes.Array) else ctypes.c_ulong(each) for each in arguments]
        if libc.prctl(*words, ctypes.c_ulong(0), ctypes.c_ulong(0)) != 0:
            raise OSError(ctypes.get_errno(), "the kernel takes no filter of system calls")


def _program(machine: _Machine) -> bytes:
    """Another architecture's calls (32 bits) have other numbers: all of them are refused."""
    numbers = [each[machine.place] for each in _ALLOWED.values()]
    count = len(numbers)
    steps = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_EQUAL, 0, count + 1, machine.architecture),
        (_LOAD, 0, 0, _NUMBER),
        *((_EQUAL, count - at, 0, number) for at, number in enumerate(numbers)),
        (_ANSWER, 0, 0, _REFUSE),
        (_ANSWER, 0, 0, _ALLOW),
    ]
    return _packed(steps)


def own_sockets() -> bytes:
    """The filter that refuses every socket but those of Unix, which stay on this machine: for programs to start."""
    machine = _MACHINES[platform.machine()]
    return _packed([
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_EQUAL, 0, 6, machine.architecture),
        (_LOAD, 0, 0, _NUMBER),
        (_FROM, 4, 0, _OTHER_ABI),
        (_EQUAL, 3, 0, _IO_URING),
        (_EQUAL, 0, 3, _SOCKET[machine.place]),
        (_LOAD, 0, 0, _FIRST),
        (_EQUAL, 1, 0, _UNIX),
        (_ANSWER, 0, 0, _REFUSE),
        (_ANSWER, 0, 0, _ALLOW),
    ])  # fmt: skip


def _packed(steps: Sequence[tuple[int, int, int, int]]) -> bytes:
    return b"".join(struct.pack("HBBI", *step) for step in steps)
