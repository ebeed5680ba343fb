"""What a Workflow says that leads nowhere is told with the name that was meant, and nothing else is."""

import tracemalloc
from dataclasses import replace
from typing import Any

import pytest

from avouch.api import workflow as kind
from avouch.contract import mapping, model, owed, revisions

Json = dict[str, Any]
CONTRACT = model.ContractSpec(
    "build",
    metadata=(("owner", ""), ("chainloop.dev/x", "")),
    materials=(
        model.Material("tests", "EVIDENCE", annotations=(model.Annotation("suite", ""),)),
        model.Material("image", "CONTAINER_IMAGE", annotations=(model.Annotation("base", "alpine"),)),
    ),
    annotations=(model.Annotation("version", ""), model.Annotation("license", "MIT")),
)


def spec(**tekton: Any) -> kind.WorkflowSpec:
    return kind.WorkflowSpec.read({"tekton": tekton}, "Workflow w")


def material(name: str = "tests", task: str = "", **source: Json) -> Json:
    return {"name": name, **({"task": task} if task else {}), **(source or {"result": {"name": "digest"}})}


def of_contract(**tekton: Any) -> list[tuple[str, str, str]]:
    found = mapping.against_contract(spec(**tekton), mapping.asked_by(CONTRACT))
    return [(each.reason, each.message, each.fix) for each in found]


def test_what_the_contract_has_is_no_problem() -> None:
    sources = [{"name": name, "param": "p"} for name in ("version", "owner", "suite")]
    sources.append({"name": "suite", "material": "tests", "param": "p"})
    assert of_contract(materials=[material(), material("image")], annotations=sources) == []
    assert mapping.against_contract(kind.WorkflowSpec.read({}, "w"), mapping.asked_by(CONTRACT)) == ()


@pytest.mark.parametrize(
    ("name", "fix"),
    [("testz", "write tests"), ("zzz", "remove it, or add it to the Contract's spec.materials")],
)
def test_a_material_that_the_contract_does_not_ask_for(name: str, fix: str) -> None:
    text = f"Contract build does not ask for material {name}"
    assert of_contract(materials=[material(name)]) == [("UnknownMaterial", text, fix)]
    assert of_contract(annotations=[{"name": "suite", "material": name, "param": "p"}]) == [
        ("UnknownMaterial", text, fix)
    ]


@pytest.mark.parametrize(
    ("source", "reason", "message", "fix"),
    [
        ({"name": "vershun"}, "UnknownAnnotation", "Contract build has no annotation vershun", "write version"),
        ({"name": "nothing"}, "UnknownAnnotation", "Contract build has no annotation nothing",
         "remove it, or add it to the Contract, without a value"),
        ({"name": "version", "material": "tests"}, "UnknownAnnotation",
         "material tests in Contract build has no annotation version",
         "remove it, or add it to the Contract, without a value"),
        ({"name": "license"}, "FixedAnnotation",
         "Contract build gives annotation license its value, so this source does not count",
         "remove it, or the value from the Contract"),
        ({"name": "base", "material": "image"}, "FixedAnnotation",
         "material image in Contract build gives annotation base its value, so this source does not count",
         "remove it, or the value from the Contract"),
    ],
)  # fmt: skip
def test_an_annotation_that_nothing_asks_for(source: Json, reason: str, message: str, fix: str) -> None:
    assert of_contract(annotations=[{**source, "param": "p"}]) == [(reason, message, fix)]


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("out/f.xml", True),
        ("*.xml", False),
        ("out/$(context.x)/f", False),
        ("out/$(params.v)/f", True),
        ("a$b", True),
        ("$(params['a b'])", True),
        ("$(paramsv)/f", False),
        ("$(params.v", False),
    ],
)
def test_a_path_that_no_file_can_have(path: str, found: bool) -> None:
    told = of_contract(materials=[material(workspace={"name": "w", "path": path})])
    assert [reason for reason, _, _ in told] == ([] if found else ["PathNeverFound"])


def test_the_names_of_a_contract_are_its_own_and_an_annotation_of_its_spec_counts_before_its_metadata() -> None:
    both = replace(CONTRACT, metadata=(("version", "1"), ("chainloop.dev/x", "")))
    assert mapping.asked_by(both).annotations[""] == {"version": "", "license": "MIT"}
    assert of_contract(annotations=[{"name": "chainloop.dev/x", "param": "p"}])[0][0] == "UnknownAnnotation"


def test_an_annotation_that_has_its_value_in_one_place_alone_may_count_in_another() -> None:
    mixed = replace(CONTRACT, annotations=(model.Annotation("suite", "fixed"),))
    said = spec(annotations=[{"name": "suite", "param": "p"}])
    assert mapping.against_contract(said, mapping.asked_by(mixed)) == ()


def test_three_problems_are_told_and_the_others_counted() -> None:
    found = mapping.against_contract(
        spec(materials=[material(name) for name in ("testz", "b", "c", "d", "e")]), mapping.asked_by(CONTRACT)
    )
    told = mapping.told(found)
    assert told.startswith('spec.tekton.materials[name="testz"]: Contract build does not ask for material testz (fix: ')
    assert (told.count("(fix: "), told.endswith(", and 2 more")) == (3, True)


def declared(**lists: list[str]) -> Json:
    return {part: [{"name": name} for name in names] for part, names in lists.items()}


TASK = {"spec": declared(results=["digest", "url"], workspaces=["source"], params=["level"], steps=["compile"])}
PIPELINE = {
    "spec": {
        **declared(params=["commit"]),
        "tasks": [{"name": "build", "taskRef": {"name": "go"}}, {"name": "test", "taskSpec": declared(results=["r"])}],
    }
}
FETCHED = {"spec": {"tasks": [{"name": "far", "taskRef": {"resolver": "git"}}]}}
KNOWN = mapping.Definitions({"p": PIPELINE, "q": FETCHED}, {"go": TASK})


def looked(known: mapping.Definitions = KNOWN, **tekton: Any) -> mapping.Looked:
    return mapping.against_definitions(spec(**{"pipelines": [{"name": "p"}], **tekton}), "team", known)


@pytest.mark.parametrize(
    "source",
    [
        material(task="build"),
        material(task="build", result={"name": "url", "digest": "digest"}),
        material(),
        material(task="build", workspace={"name": "source", "path": "f"}),
        material(task="build", workspace={"name": "source", "path": "$(params.level)/f"}),
        material(task="build", result={"name": "whatever", "step": "compile"}),
        material(task="build", param={"name": "level"}),
        material(param={"name": "commit"}),
        material(param={"name": "level"}),
        material(task="build", env={"step": "compile", "name": "CI"}),
        material(task="build", artifact={"name": "whatever"}),
    ],
)
def test_what_the_pipeline_has_is_found(source: Json) -> None:
    assert looked(materials=[source]) == mapping.Looked()


@pytest.mark.parametrize(
    ("source", "reason", "message", "fix"),
    [
        (material(task="biuld"), "PipelineTaskNotFound", "Pipeline p has no task biuld", "write build"),
        (material(task="x", artifact={"name": "a"}), "PipelineTaskNotFound", "Pipeline p has no task x",
         "name a task of the Pipeline"),
        (material(task="build", result={"name": "digets"}), "ResultNotFound",
         "task build of Pipeline p has no result digets", "write digest"),
        (material(task="build", result={"name": "url", "digest": "x"}), "ResultNotFound",
         "task build of Pipeline p has no result x", "declare the result, or name another one"),
        (material(result={"name": "x"}), "ResultNotFound",
         "none of task build of Pipeline p, task test of Pipeline p has no result x",
         "declare the result, or name another one"),
        (material(task="build", workspace={"name": "sorce", "path": "f"}), "WorkspaceNotFound",
         "task build of Pipeline p has no workspace sorce", "write source"),
        (material(task="build", workspace={"name": "source", "path": "$(params.levle)/f"}), "ParamNotFound",
         "task build of Pipeline p has no param levle", "write level"),
        (material(task="build", result={"name": "url", "step": "compil"}), "StepNotFound",
         "task build of Pipeline p has no step compil", "write compile"),
        (material(task="build", param={"name": "levle"}), "ParamNotFound",
         "task build of Pipeline p has no param levle", "write level"),
        (material(task="build", env={"step": "compil", "name": "CI"}), "StepNotFound",
         "task build of Pipeline p has no step compil", "write compile"),
    ],
)  # fmt: skip
def test_what_the_pipeline_does_not_have_is_told(source: Json, reason: str, message: str, fix: str) -> None:
    (found,) = looked(materials=[source]).problems
    assert (found.reason, found.message.replace("none of task", "none of task"), found.fix) == (reason, message, fix)
    assert found.field == 'spec.tekton.materials[name="tests"]'


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ({"name": "a", "param": "commit"}, ""),
        ({"name": "a", "param": "level"}, "ParamNotFound"),
        ({"name": "a", "result": {"task": "build", "name": "url"}}, ""),
        ({"name": "a", "result": {"name": "r"}}, ""),
        ({"name": "a", "result": {"task": "build", "name": "whatever", "step": "compile"}}, ""),
        ({"name": "a", "result": {"task": "build", "name": "url", "step": "compil"}}, "StepNotFound"),
        ({"name": "a", "result": {"task": "build", "name": "r"}}, "ResultNotFound"),
        ({"name": "a", "annotation": "example.com/x"}, ""),
    ],
)
def test_the_source_of_an_annotation_is_the_run_s_param_or_a_result(source: Json, reason: str) -> None:
    assert [each.reason for each in looked(annotations=[source]).problems] == ([reason] if reason else [])


def test_a_task_that_is_covered_alone_may_be_any_task_of_a_pipeline() -> None:
    alone: Json = {"pipelines": [], "tasks": [{"name": "go"}]}
    assert looked(**alone, materials=[material(task="anything")]) == mapping.Looked()
    assert looked(**alone, annotations=[{"name": "a", "param": "level"}]) == mapping.Looked()
    (found,) = looked(**alone, annotations=[{"name": "a", "param": "levle"}]).problems
    assert (found.reason, found.message, found.fix) == ("ParamNotFound", "Task go has no param levle", "write level")


@pytest.mark.parametrize(
    ("tekton", "reason", "message", "fix"),
    [
        ({"pipelines": [{"name": "pp"}]}, "PipelineNotFound", "Pipeline pp is not in namespace team", "write p"),
        ({"tasks": [{"name": "fetch"}]}, "TaskNotFound", "Task fetch is not in namespace team",
         "correct it; what only a resolver fetches is named by resolver"),
    ],
)  # fmt: skip
def test_a_pipeline_or_task_that_is_not_there_is_the_first_thing_to_mend(
    tekton: Json, reason: str, message: str, fix: str
) -> None:
    (found,) = looked(**tekton, materials=[material(task="nope")]).problems
    assert (found.reason, found.message, found.fix) == (reason, message, fix)


@pytest.mark.parametrize(
    "tekton",
    [
        {"pipelines": [{"matchLabels": {"a": "b"}}]},
        {"pipelines": [{"name": "p"}], "tasks": [{"resolver": {"name": "hub", "params": {"name": "x"}}}]},
        {"pipelines": []},
        {"pipelines": [{"name": "q"}]},
    ],
)
def test_what_is_not_known_beforehand_is_no_problem_and_is_said(tekton: Json) -> None:
    found = looked(**tekton, materials=[material(task="far" if {"name": "q"} in tekton["pipelines"] else "nope")])
    assert (found.problems, len(found.unchecked)) == ((), 1)


def test_one_task_that_is_known_to_have_it_is_enough() -> None:
    both = [{"name": "p"}, {"name": "q"}]
    assert looked(pipelines=both, materials=[material()]) == mapping.Looked()
    assert looked(pipelines=both, materials=[material(result={"name": "x"})]).unchecked == (
        "what task far of Pipeline q declares is not in this namespace",
    )


def test_a_pipeline_without_tasks_has_none_that_lacks_something() -> None:
    assert looked(mapping.Definitions({"p": {"spec": {}}}), materials=[material()]) == mapping.Looked()


def test_a_workflow_without_tekton_names_nothing_of_it() -> None:
    assert mapping.against_definitions(kind.WorkflowSpec.read({}, "w"), "team", KNOWN) == mapping.Looked()
    assert looked(pipelines=[]) == mapping.Looked()


def test_what_would_take_long_to_look_through_is_not_looked_through() -> None:
    """One Pipeline of 1 MB, or a Task of many names that is run often, stopped the controller for minutes."""
    results = declared(results=[f"r{number}" for number in range(1500)])
    task, many = {"spec": results}, [{"name": f"t{number}", "taskRef": {"name": "go"}} for number in range(1500)]
    too_many = mapping.Looked(unchecked=("what it covers has more names than are looked through",))
    few = mapping.Definitions({"p": {"spec": {"tasks": many[:20]}}}, {"go": task})
    assert [each.reason for each in looked(few, materials=[material(result={"name": "x"})]).problems] == [
        "ResultNotFound"
    ]
    often = mapping.Definitions({"p": {"spec": {"tasks": many}}}, {"go": task})
    assert looked(often, materials=[material(result={"name": "x"})]) == too_many
    sources = [material(f"m{number}", result={"name": "x"}) for number in range(200)]
    assert looked(few, materials=sources) == too_many
    large = mapping.Definitions({"p": {"spec": {"tasks": many * 2}}}, {"go": TASK})
    assert looked(large) == too_many


def test_what_is_known_is_put_in_order_once_for_all_that_is_unknown() -> None:
    """Two hundred sources beside a contract of 6,000 annotations took a second for each of its Workflows."""
    unknown = [{"name": f"nope{number}", "param": "p"} for number in range(3)]
    found = mapping.against_contract(spec(annotations=unknown), mapping.asked_by(CONTRACT))
    assert len({id(each.known) for each in found}) == 1
    assert {each.reason for each in found} == {"UnknownAnnotation"}


def test_revisions_that_nobody_looks_at_any_more_stay_in_no_memory() -> None:
    """A Contract of a megabyte that was changed some hundred times took all that the controller has."""
    tracemalloc.start()
    try:
        for number in range(50):
            mapping.asked_in(revisions.canonical(replace(CONTRACT, metadata=(("long", f"{number}" * 100_000),))))
        assert tracemalloc.get_traced_memory()[0] < 5_000_000
    finally:
        tracemalloc.stop()
        mapping.asked_in.cache_clear()


def test_a_material_that_a_policy_group_brings_is_no_unknown_one() -> None:
    grouped = replace(CONTRACT, policy_groups=(model.PolicyGroupAttachment("security"),))
    source = spec(materials=[{"name": "scan", "param": {"name": "p"}}])
    resolved = owed.canonical(owed.Owed((*CONTRACT.materials, model.Material("scan", "SARIF"))))
    assert mapping.against_contract(source, mapping.asked_in(revisions.canonical(grouped), resolved)) == ()
    without = owed.canonical(owed.Owed(CONTRACT.materials))
    (problem,) = mapping.against_contract(source, mapping.asked_in(revisions.canonical(grouped), without))
    assert problem.reason == "UnknownMaterial"


def test_where_groups_are_not_looked_up_no_material_is_called_unknown() -> None:
    grouped = mapping.asked_by(replace(CONTRACT, policy_groups=(model.PolicyGroupAttachment("security"),)))
    assert grouped.unresolved
    assert mapping.against_contract(spec(materials=[{"name": "scan", "param": {"name": "p"}}]), grouped) == ()
    assert not mapping.asked_by(CONTRACT).unresolved
