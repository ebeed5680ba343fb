import json

import hypothesis
import yaml
from hypothesis import strategies as st

from avouch.api import policy
from avouch.contract import diff, legacy, lint, reading, revisions, upstream, writing
from avouch.contract.text import files, nodes
from avouch.materials import types as material_types
from tests.property.test_contract_revisions import names, specs, words

NUMBERS = {material.name: material.number for material in material_types.MATERIALS}
scalars = st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=6), st.floats())
keys = st.one_of(
    st.sampled_from(
        "apiVersion kind metadata spec materials name type policies ref embedded with schemaVersion runner annotations "
        "envAllowList selector group description skip_upload matchMode policyGroups attestation requirements".split()
    ),
    st.text(max_size=6),
)
words_of_ours = st.sampled_from(["chainloop.dev/v1", "Contract", "Policy", "v1", "c", "STRING", "GITHUB_ACTION", "<<"])
trees = st.recursive(
    st.one_of(scalars, words_of_ours),
    lambda below: st.one_of(st.lists(below, max_size=4), st.dictionaries(keys, below, max_size=5)),
    max_leaves=20,
)


def manifest(spec, **metadata):
    return {"apiVersion": "chainloop.dev/v1", "kind": "Contract", "metadata": {"name": "c", **metadata}, "spec": spec}


def canonical(document):
    return revisions.canonical(reading.read(document))


def numbered(spec):
    """Chainloop's other way to write enums."""
    return {**spec, "materials": [{**m, "type": NUMBERS[m["type"]]} for m in spec["materials"]]}


@hypothesis.given(specs)
def test_a_legacy_contract_means_what_the_same_body_in_schema_v2_means(spec):
    converted = legacy.convert({"schemaVersion": "v1", **numbered(spec)}, "c")
    assert canonical(converted) == canonical(manifest(spec))


metadata_fields = st.fixed_dictionaries(
    {},
    optional={
        "description": st.text(min_size=1),
        "organization": names,
        "finding_type": st.sampled_from(policy.FINDING_TYPES),
    },
)


@hypothesis.given(specs, metadata_fields, st.dictionaries(words, st.text(max_size=8), max_size=3))
def test_there_and_back_a_contract_means_the_same(spec, fields, annotations):
    file = manifest(spec, **fields, **({"annotations": annotations} if annotations else {}))
    held = upstream.to_object(file)
    assert upstream.to_file(held) == file
    assert canonical(upstream.to_object(upstream.to_file(held))) == canonical(held)


@hypothesis.given(specs)
def test_adopting_twice_is_adopting_once(spec):
    once = upstream.to_object(manifest(numbered(spec), description="d"))
    assert upstream.to_object(once) == once


@hypothesis.settings(deadline=None)
@hypothesis.given(specs, st.sampled_from(["yaml", "json", "flow"]))
def test_a_good_contract_has_no_errors_and_is_read_as_it_was_written(spec, form):
    document = manifest(spec)
    if form == "json":
        content = json.dumps(document)
    else:  # in quotes, because PyYAML leaves words bare that Kubernetes' reader takes for numbers (0E0) and flags (y)
        content = yaml.safe_dump(document, default_flow_style=form == "flow", default_style='"')
    read = files.read(content.encode())
    assert [nodes.plain(each) for each in read.documents] == [document]
    errors = [problem for problem in lint.lint(content.encode()) if problem.severity is lint.Severity.ERROR]
    assert errors == []


@hypothesis.settings(deadline=None)
@hypothesis.given(trees)
def test_lint_never_crashes_on_any_tree(tree):
    content = yaml.safe_dump(tree, allow_unicode=False)
    for problem in lint.lint(content.encode("utf-8", "surrogatepass")):
        assert problem.line >= 1
        assert problem.column >= 1
        assert problem.message
        assert problem.fix


@hypothesis.settings(deadline=None)
@hypothesis.given(st.dictionaries(keys, trees, max_size=6))
def test_lint_never_crashes_on_what_looks_like_a_contract(spec):
    for document in (manifest(spec), {"schemaVersion": "v1", **spec}):
        content = json.dumps(document).encode()
        assert lint.lint(content) == lint.lint(content)


odd = ["<<: ", "a: ", "- ", "---\n", "...\n", "&a ", "*a", "!!int ", "\\x", "\\U0011FFFF", "%YAML 1.1\n", "%TAG ! x\n"]
characters = ["1_", "0x", "0b_", "+.", ".inf", "yes", "\ufeff", "\x85", "\u2028", "\ud800", "\x00"]
pieces = st.sampled_from([*"{}[],:-?&*!|>'\"#%@`~ \t\n\r\\", *odd, *characters])


@hypothesis.given(st.lists(pieces, max_size=40).map("".join))
@hypothesis.settings(deadline=None)
def test_lint_never_crashes_on_any_text(content):
    assert isinstance(lint.lint(content.encode("utf-8", "surrogatepass")), tuple)


@hypothesis.settings(deadline=None)
@hypothesis.given(st.binary(max_size=200))
def test_lint_never_crashes_on_any_bytes(content):
    assert isinstance(lint.lint(content), tuple)


@hypothesis.given(specs, specs)
def test_two_revisions_differ_where_their_digests_do(first, second):
    one, other = canonical(manifest(first)), canonical(manifest(second))
    found = diff.changes(one, other)
    assert (found == ()) is (one == other)
    assert all(str(change) for change in found)


@hypothesis.given(specs)
def test_a_revision_written_as_an_object_means_the_same(spec):
    read = reading.read(manifest(spec))
    assert canonical(writing.manifest(read)) == revisions.canonical(read)
