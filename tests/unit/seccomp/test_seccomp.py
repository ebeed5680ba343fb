"""Filters of system calls, run as the kernel runs them: on either machine, whatever machine this is."""

import errno
import socket
import struct
from collections.abc import Callable

import pytest

from avouch import seccomp

ALLOWED, REFUSED = 0x7FFF0000, 0x00050000 | errno.EPERM
MACHINES = seccomp._MACHINES
I386, ARM = 0x40000003, 0x40000028  # AUDIT_ARCH of the 32-bit calls that such a machine takes as well
X32 = 0x40000000
OPEN, SOCKET, SOCKETPAIR, CONNECT, IO_URING_SETUP = (2, 56), (41, 198), (53, 199), (42, 203), (425, 425)


def answer(program: bytes, architecture: int, number: int, first: int = 0) -> int:
    """What a filter says of a call, as Documentation/networking/filter.rst has it."""
    data = struct.pack("=iIQ6Q", number - (1 << 32) if number >= 1 << 31 else number, architecture, 0, first, *[0] * 5)
    steps = list(struct.iter_unpack("HBBI", program))
    at, loaded = 0, 0
    while True:
        code, yes, no, value = steps[at]
        at += 1
        match code:
            case 0x20:  # load a word of what is known of the call
                (loaded,) = struct.unpack_from("=I", data, value)
            case 0x15:  # is it the same
                at += yes if loaded == value else no
            case 0x35:  # is it as great
                at += yes if loaded >= value else no
            case 0x06:
                return int(value)
            case _:
                raise AssertionError(code)


def of_readers(machine: seccomp._Machine) -> bytes:
    return seccomp._program(machine)


@pytest.fixture(params=MACHINES)
def machine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> seccomp._Machine:
    monkeypatch.setattr("platform.machine", lambda: request.param)
    return MACHINES[request.param]


def test_a_reader_may_call_what_the_table_names_and_nothing_else(machine: seccomp._Machine) -> None:
    program = of_readers(machine)
    named = {numbers[machine.place] for numbers in seccomp._ALLOWED.values()}
    allowed = {number for number in range(600) if answer(program, machine.architecture, number, first=1) == ALLOWED}
    assert allowed == named
    assert not named & {number[machine.place] for number in (OPEN, SOCKET, SOCKETPAIR, CONNECT, IO_URING_SETUP)}


def test_a_policy_engine_makes_no_socket_but_those_that_stay_on_its_machine(machine: seccomp._Machine) -> None:
    program, call = seccomp.own_sockets(), SOCKET[machine.place]
    allowed = [family for family in range(64) if answer(program, machine.architecture, call, family) == ALLOWED]
    assert allowed == [socket.AF_UNIX]


def test_a_policy_engine_may_call_everything_else_but_what_makes_sockets_without_asking_for_them(
    machine: seccomp._Machine,
) -> None:
    program = seccomp.own_sockets()
    refused = {number for number in range(600) if answer(program, machine.architecture, number) == REFUSED}
    assert refused == {SOCKET[machine.place], IO_URING_SETUP[0]}


@pytest.mark.parametrize(
    "program", [of_readers, lambda _: seccomp.own_sockets()], ids=["of readers", "of the policy engine"]
)
def test_calls_of_another_architecture_are_refused_whatever_their_numbers_mean_there(
    machine: seccomp._Machine, program: Callable[[seccomp._Machine], bytes]
) -> None:
    others = {one.architecture for one in MACHINES.values()} - {machine.architecture} | {I386, ARM}
    for number in range(600):
        for other in others:
            assert answer(program(machine), other, number, socket.AF_UNIX) == REFUSED
        assert answer(program(machine), machine.architecture, X32 | number, socket.AF_UNIX) == REFUSED


def test_numbers_beyond_all_others_are_refused(machine: seccomp._Machine) -> None:
    for number in (X32, X32 | SOCKET[0], (1 << 32) - 1):
        assert answer(seccomp.own_sockets(), machine.architecture, number, socket.AF_UNIX) == REFUSED
