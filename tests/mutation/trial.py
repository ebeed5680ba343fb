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
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import CodeType, ModuleType

import pytest

from tests import postgres
from tests.mutation import faults, reach
from tests.mutation.rooms import ROOT, Module

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


class Asked:
    """A plugin of pytest: these tests alone, in this order."""

    def __init__(self, tests: Sequence[str]) -> None:
        self._place = {test: place for place, test in enumerate(tests)}

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        known = [item for item in items if item.nodeid in self._place]
        items[:] = sorted(known, key=lambda item: self._place[item.nodeid])


def started(module: Module, number: int | None, tests: Sequence[str], database: postgres.Postgres | None) -> int:
    """Fork a process that asks these tests about one fault of a module, or about none. Returns its pid."""

    def work() -> int:
        if number is not None:
            sys.meta_path.insert(0, Changed(module, with_fault(module, number)))
        return _pytest(dict.fromkeys(test.split("::")[0] for test in tests), "-x", plugin=Asked(tests))

    return _forked(work, database)


def watched(modules: Sequence[Module], files: Sequence[str], database: postgres.Postgres | None, written: Path) -> int:
    """Fork a process that runs these files of tests and writes which statements of the modules each comes by."""

    def work() -> int:
        for module in modules:
            tree = reach.mark(_tree(module), module.inside)
            sys.meta_path.insert(0, Changed(module, _compiled(tree, module)))
        watcher = reach.Watcher()
        code = _pytest(files, plugin=watcher)
        watcher.write(written)
        return code

    return _forked(work, database)


def _forked(work: Callable[[], int], database: postgres.Postgres | None) -> int:
    sys.stdout.flush()
    pid = os.fork()
    if pid:
        return pid
    code = 70
    try:
        postgres.lent = database
        os.setsid()
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
        silence = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(silence, stream)
        code = work()
    finally:
        os._exit(code)


def _pytest(files: Sequence[str] | dict[str, None], *options: str, plugin: object) -> int:
    always = ("-q", "-p", "no:cacheprovider", "-m", "not cluster and not apiserver", "--tb=no", f"--rootdir={ROOT}")
    warm = ("-W", "ignore::pytest.PytestAssertRewriteWarning")  # loaded before
    return int(pytest.main([*always, *warm, *options, *files], plugins=[plugin]))


def with_fault(module: Module, number: int) -> CodeType:
    """The module's code with the fault of that number."""
    tree = _tree(module)
    for index, fault in enumerate(faults.of(tree)):
        if index == number:
            fault.change()
            break
    return _compiled(tree, module)


def _tree(module: Module) -> ast.Module:
    return ast.parse(module.path.read_text(encoding="utf-8"))


def _compiled(tree: ast.Module, module: Module) -> CodeType:
    return compile(ast.fix_missing_locations(tree), str(module.path), "exec")


def ended(pid: int, end: float) -> bool | None:
    """Whether the tests passed; None while they run. Who runs beyond the end is ended, and did not pass."""
    done, status = os.waitpid(pid, os.WNOHANG)
    if not done:
        if time.monotonic() > end:
            for each in (pid, *postgres.family(pid)):  # a PostgreSQL of its own has a session of its own
                with contextlib.suppress(ProcessLookupError):
                    os.kill(each, signal.SIGKILL)
        return None
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)  # what its tests left running
    return os.waitstatus_to_exitcode(status) in (_PASSED, _NO_TESTS)


def counted(module: Module) -> Iterator[tuple[int, int, int | None, str]]:
    """Number, line, where the statement around it begins if a function has it, and name of each fault of a module."""
    tree = _tree(module)
    places = reach.places(tree)
    for index, fault in enumerate(faults.of(tree)):
        yield index, fault.line, places.get(fault.line), fault.named()
