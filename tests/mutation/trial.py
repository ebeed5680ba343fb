"""One fault, one process: the module is loaded with it, its tests run, and the process ends."""

import ast
import contextlib
import importlib.abc
import importlib.machinery
import importlib.util
import os
import resource
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from types import CodeType, ModuleType
from typing import NoReturn

from tests import postgres
from tests.mutation import faults
from tests.mutation.rooms import ROOT, Module

SECONDS = 240.0  # of one helping of tests, on a busy machine
_MEMORY = 4 << 30
_PASSED, _NO_TESTS = 0, 5  # exit codes of pytest


class Changed(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Loads one module from changed code instead of its file."""

    def __init__(self, module: Module, code: CodeType) -> None:
        self._module, self._code = module, code

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> object:
        """The module, if it is the one."""
        if fullname != self._module.name:
            return None
        return importlib.util.spec_from_file_location(fullname, self._module.path, loader=self)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> None:
        """As usual."""

    def exec_module(self, module: ModuleType) -> None:
        """Run the changed code."""
        exec(self._code, module.__dict__)  # noqa: S102 - our own source, changed


def started(module: Module, number: int | None, tests: Sequence[str], database: postgres.Postgres | None) -> int:
    """Fork a process that runs these tests on one fault of a module, or on none. Returns its pid."""
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        postgres.lent = database
        _run(module, number, tests)
    return pid


def _run(module: Module, number: int | None, tests: Sequence[str]) -> NoReturn:
    code = 70
    try:
        os.setsid()
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
        silence = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(silence, stream)
        if number is not None:
            sys.meta_path.insert(0, Changed(module, with_fault(module, number)))
        import pytest

        options = (
            "-x",
            "-q",
            "-p",
            "no:cacheprovider",
            "-m",
            "not cluster and not apiserver",
            "--tb=no",
            "-W",
            "ignore::pytest.PytestAssertRewriteWarning",
        )  # loaded before: they are warm
        code = int(pytest.main([*options, f"--rootdir={ROOT}", *tests]))
    finally:
        os._exit(code)


def with_fault(module: Module, number: int) -> CodeType:
    """The module's code with the fault of that number."""
    tree = ast.parse(module.path.read_text(encoding="utf-8"))
    for index, fault in enumerate(faults.of(tree)):
        if index == number:
            fault.change()
            break
    return compile(ast.fix_missing_locations(tree), str(module.path), "exec")


def ended(pid: int, since: float) -> bool | None:
    """Whether the tests passed; None while they run. Who takes too long is ended, and counts as noticed."""
    done, status = os.waitpid(pid, os.WNOHANG)
    if not done:
        if time.monotonic() - since > SECONDS:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
        return None
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)  # what its tests left running
    return os.waitstatus_to_exitcode(status) in (_PASSED, _NO_TESTS)


def counted(module: Module) -> Iterator[tuple[int, int, str]]:
    """Number, line and name of each fault of a module."""
    tree = ast.parse(module.path.read_text(encoding="utf-8"))
    for index, fault in enumerate(faults.of(tree)):
        yield index, fault.line, fault.named()
