"""One fault, one process: the module is loaded with it, its tests run, and the process ends."""

import ast
import base64
import contextlib
import functools
import gc
import importlib.abc
import importlib.machinery
import importlib.util
import os
import pickle
import resource
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import NoReturn

import pytest
from _pytest.main import pytest_runtestloop as runtestloop

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
        self._tests = tests

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = chosen(items, self._tests)


def chosen(items: Sequence[pytest.Item], tests: Sequence[str]) -> list[pytest.Item]:
    """The tests of these names, in their order."""
    known = {item.nodeid: item for item in items}
    return [known[test] for test in tests if test in known]


OPTIONS = (
    "-q", "-s", "--tb=no", "--no-summary", "-p", "no:cacheprovider", f"--rootdir={ROOT}",
    "-m", "not cluster and not apiserver",
    "-W", "ignore::pytest.PytestAssertRewriteWarning",  # what is loaded before
)  # fmt: skip


def started(
    session: pytest.Session,
    module: Module,
    number: int | None,
    tests: Sequence[str],
    database: postgres.Postgres | None,
) -> int:
    """Fork a process that asks these tests about one fault inside a function, or about none. Returns its pid."""

    def work() -> int:
        if number is not None and not put(module, with_fault(module, number)):
            _exec(module, number, tests, database)
        session.items = chosen(session.items, tests)
        session.config.option.maxfail = 1
        return _ran(session)

    return _forked(work, database)


def loaded(module: Module, number: int | None, tests: Sequence[str], database: postgres.Postgres | None) -> int:
    """Start a process that loads the module with the fault, wherever it is, and asks these tests. Returns its pid."""
    return _forked(lambda: _exec(module, number, tests, database), None)


def _exec(module: Module, number: int | None, tests: Sequence[str], database: postgres.Postgres | None) -> NoReturn:
    told = pickle.dumps((module, number, tests, database and database.shared()))
    command = [sys.executable, "-m", "tests.mutation.trial", base64.b64encode(told).decode()]
    os.execv(sys.executable, command)  # noqa: S606 - ourselves


def _alone(told: str) -> int:
    module, number, tests, database = pickle.loads(base64.b64decode(told))  # noqa: S301 - written by `loaded`
    postgres.lent = database
    if number is not None:
        sys.meta_path.insert(0, Changed(module, with_fault(module, number)))
    files = dict.fromkeys(test.split("::")[0] for test in tests)
    return int(pytest.main([*OPTIONS, "-x", *files], plugins=[Asked(tests)]))


def watched(
    session: pytest.Session,
    modules: Sequence[Module],
    files: Sequence[str],
    database: postgres.Postgres | None,
    written: Path,
) -> int:
    """Fork a process that runs these files of tests and writes which statements of the modules each comes by."""

    def work() -> int:
        watcher = reach.Watcher()
        for module in modules:
            put(module, _compiled(reach.mark(_tree(module), module.inside), module))
        session.items = [item for item in session.items if item.nodeid.split("::")[0] in files]
        session.config.pluginmanager.register(watcher)
        code = _ran(session)
        watcher.write(written)
        return code

    return _forked(work, database)


def put(module: Module, code: CodeType) -> bool:
    """Change all functions of a loaded module to what this code of it says. False: that takes a new one."""
    new = {(each.co_qualname, each.co_firstlineno): each for each in _inside(code)}
    for function in functions().get(str(module.path), ()):
        changed = new.get((function.__code__.co_qualname, function.__code__.co_firstlineno))
        if changed is None or changed.co_freevars != function.__code__.co_freevars:
            return False
        function.__code__ = changed
    return True


@functools.cache
def functions() -> dict[str, list[FunctionType]]:
    """All that there are, by their files: asked once, when the tests are collected."""
    found: dict[str, list[FunctionType]] = {}
    for each in gc.get_objects():
        if isinstance(each, FunctionType):
            found.setdefault(each.__code__.co_filename, []).append(each)
    return found


def _inside(code: CodeType) -> Iterator[CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from _inside(constant)


def _ran(session: pytest.Session) -> int:
    with contextlib.suppress(session.Failed):
        runtestloop(session)
    return 1 if session.testsfailed else _PASSED


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


if __name__ == "__main__":
    sys.exit(_alone(sys.argv[1]))
