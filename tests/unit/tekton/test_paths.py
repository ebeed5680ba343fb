"""Params in the paths of files, filled in from the cluster's record of one TaskRun."""

import tracemalloc
from dataclasses import replace
from typing import Any

import pytest

from avouch import plan
from avouch.tekton import paths
from tests.unit.tekton import pods

TASKRUN = pods.taskrun(
    spec={
        "params": [
            {"name": "dir", "value": "out/reports"},
            {"name": "a.b", "value": "dotted"},
            {"name": "list", "value": ["a", "b"]},
            {"name": "all.of", "value": ["a"]},
            {"name": "thing", "value": {"key": "v"}},
            {"name": "empty", "value": ""},
            {"name": "up", "value": ".."},
            {"name": "root", "value": "/etc"},
            {"name": "long", "value": "x" * 1025},
            {"name": "half", "value": "x" * 512},
            {"name": "nested", "value": "$(params.dir)"},
        ]
    },
    status={
        "taskSpec": {
            "params": [
                {"name": "dir", "default": "never"},
                {"name": "mode", "default": "fast"},
                {"name": "bare"},
            ]
        }
    },
)


def owed(*found: str) -> plan.Plan:
    return pods.a_plan(*(pods.workspace_file(f"m{at}", path=path) for at, path in enumerate(found)))


def filled(path: str) -> tuple[str, str]:
    """The path as it is filled in, and why it was not."""
    done = paths.filled(owed(path), TASKRUN)
    return done.materials[0].source.path, dict(done.unresolved).get("m0", "")


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("$(params.dir)/junit.xml", "out/reports/junit.xml"),
        ("$(params['dir'])/$(params[\"mode\"]).xml", "out/reports/fast.xml"),
        ("x-$(params.mode)-$(params.mode)", "x-fast-fast"),
        ("$(params.a.b)/f", "dotted/f"),
        ("f$(params.empty).xml", "f.xml"),
        ("plain/f", "plain/f"),
        ("$(params.nested)/f", "$(params.dir)/f"),
        ("$(params.half)$(params.half)", "x" * 1024),
    ],
)
def test_a_path_gets_the_values_that_the_task_was_given_else_its_defaults(path: str, expected: str) -> None:
    assert filled(path) == (expected, "")


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("$(params.version)/f", "TaskRun build has no param version (fix: write a param of the task, or declare it"),
        ("$(params.bare)/f", "TaskRun build has no param bare (fix: "),
        ("$(params.version.x)/f", "TaskRun build has no param version.x (fix: "),
        ("$(params.list)/f", "param list is an array, which is no part of a path (fix: give the task a param"),
        ("$(params.all.of)/f", "param all.of is an array, which is"),
        ("$(params.list[*])/f", "param list is an array, which is"),
        ("$(params.list[0])/f", "param list is an array, which is"),
        ("$(params.thing)/f", "param thing is an object, which is"),
        ("$(params.thing.key)/f", "param thing is an object, which is"),
        ("$(context.taskRun.name)/f", "$(context.taskRun.name) in a path is no param (fix: write $(params.NAME))"),
        ("$(params.empty)/f", "path $(params.empty)/f with the value of param empty: a path must be relative"),
        ("a/$(params.up)/f", "path a/$(params.up)/f with the value of param up: a path must be relative"),
        ("$(params.root)/f", "path $(params.root)/f with the value of param root: a path must be relative"),
        ("$(params.long)/f", "path $(params.long)/f is over 1024 characters with its params (fix: "),
        ("$(params.half)$(params.half)f", "path $(params.half)$(params.half)f is over 1024 characters with its params"),
        ("$(params.mode[0])/f", "TaskRun build has no param mode (fix: "),
    ],
)
def test_what_makes_no_path_is_told_by_the_name_of_the_param(path: str, why: str) -> None:
    unfilled, told = filled(path)
    assert unfilled == path
    assert told.startswith(why)


def test_one_path_that_cannot_be_filled_in_keeps_no_other_from_it() -> None:
    done = paths.filled(owed("$(params.version)", "$(params.mode)", "f"), TASKRUN)
    assert [each.source.path for each in done.materials] == ["$(params.version)", "fast", "f"]
    assert [name for name, _ in done.unresolved] == ["m0"]
    assert plan.Plan.from_json(done.to_json()) == done


def test_what_has_no_path_or_none_with_params_is_left_alone_beside_one_that_has() -> None:
    done = paths.filled(owed("$(params.mode)", "", "/absolute"), TASKRUN)
    assert ([each.source.path for each in done.materials], done.unresolved) == (["fast", "", "/absolute"], ())


def test_a_plan_without_params_in_paths_stays_as_it_is() -> None:
    plain = owed("f", "a$b")
    assert paths.filled(plain, TASKRUN) is plain
    assert "unresolved" not in plain.to_json()


def test_the_names_in_a_path_are_read_without_their_values() -> None:
    assert paths.of("$(params.a)/$(params['b c'])/$(context.x)/$(params.list[0])") == ("a", "b c", "list")
    assert paths.without_params("$(params.a)/$(context.x)/f") == "/$(context.x)/f"


def test_a_taskrun_that_has_no_params_is_told_by_its_name() -> None:
    bare: dict[str, Any] = pods.taskrun()
    done = paths.filled(replace(owed("$(params.x)")), bare)
    assert dict(done.unresolved)["m0"].startswith("TaskRun build has no param x")


def test_a_value_that_no_path_has_room_for_is_not_multiplied() -> None:
    large = pods.taskrun() | {"spec": {"params": [{"name": "x", "value": "a" * 1_000_000}]}}
    tracemalloc.start()
    done = paths.filled(owed("$(params.x)" * 90), large)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 5_000_000
    assert "over 1024 characters" in done.unresolved[0][1]
