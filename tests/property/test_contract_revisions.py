import json
import string

import hypothesis
import pytest
import yaml
from hypothesis import strategies as st

from avouch import errors
from avouch.contract import reading, revisions
from avouch.contract.text import files, nodes

# By alphabets and not by regular expressions, which take Hypothesis several times as long.
names = st.text(f"{string.ascii_lowercase}{string.digits}-", min_size=1, max_size=10).map(lambda t: t.strip("-") or "0")
words = st.text(f"{string.ascii_letters}{string.digits}_", min_size=1, max_size=8)
texts = st.text(max_size=8)
annotations = st.lists(
    st.fixed_dictionaries({"name": words, "value": texts}), max_size=3, unique_by=lambda annotation: annotation["name"]
)
materials = st.lists(
    st.fixed_dictionaries(
        {"name": names, "type": st.sampled_from(["STRING", "ARTIFACT", "JUNIT_XML"]), "annotations": annotations},
        optional={"optional": st.booleans(), "skipUpload": st.booleans(), "group": names},
    ),
    max_size=4,
    unique_by=lambda material: material["name"],
)
gates = {"gate": st.booleans()}
policies = st.lists(
    st.fixed_dictionaries(
        {"ref": names, "with": st.dictionaries(texts, texts, max_size=3)},
        optional={
            **gates,
            "disabled": st.booleans(),
            "requirements": st.lists(st.sampled_from(["soc2/cc1", "shop/soc2/cc2@1"]), unique=True),
            "selector": st.fixed_dictionaries({"name": names, "matchMode": st.sampled_from(["EXACT", "PREFIX"])}),
        },
    ),
    max_size=3,
)
groups = st.lists(
    st.fixed_dictionaries(
        {"ref": names, "with": st.dictionaries(texts, texts, max_size=3)},
        optional={**gates, "skip": st.lists(words, max_size=2, unique=True)},
    ),
    max_size=3,
)
specs = st.fixed_dictionaries(
    {
        "materials": materials,
        "annotations": annotations,
        "envAllowList": st.lists(words, max_size=4, unique=True),
        "policies": st.fixed_dictionaries({"materials": policies, "attestation": policies}),
        "policyGroups": groups,
    },
    optional={"runner": st.fixed_dictionaries({"type": st.sampled_from(["TEKTON_PIPELINE", "GITHUB_ACTION"])})},
)


def read(spec):
    manifest = {"apiVersion": "chainloop.dev/v1", "kind": "Contract", "metadata": {"name": "c"}, "spec": spec}
    return reading.read(manifest)


def shuffled(value, order):
    if isinstance(value, dict):
        pairs = [(key, shuffled(child, order)) for key, child in value.items()]
        order.shuffle(pairs)
        return dict(pairs)
    if isinstance(value, list):
        children = [shuffled(child, order) for child in value]
        order.shuffle(children)
        return children
    return value


SNAKE = {
    "skipUpload": "skip_upload",
    "envAllowList": "env_allow_list",
    "policyGroups": "policy_groups",
    "matchMode": "match_mode",
}


def snake(value, inside_with=False):
    if isinstance(value, dict):
        return {
            key if inside_with else SNAKE.get(key, key): snake(child, key == "with") for key, child in value.items()
        }
    return [snake(child) for child in value] if isinstance(value, list) else value


@hypothesis.given(specs, st.randoms())
def test_order_does_not_matter(spec, order):
    assert revisions.canonical(read(spec)) == revisions.canonical(read(shuffled(spec, order)))


@hypothesis.given(specs)
def test_spelling_does_not_matter(spec):
    assert revisions.canonical(read(spec)) == revisions.canonical(read(snake(spec)))


@hypothesis.given(specs)
def test_a_recorded_revision_reads_back_as_itself(spec):
    form = revisions.canonical(read(spec))
    assert revisions.canonical(revisions.restore(form)) == form


@hypothesis.given(specs, names)
def test_another_material_is_another_revision(spec, name):
    hypothesis.assume(name not in {material["name"] for material in spec["materials"]})
    more = {**spec, "materials": [*spec["materials"], {"name": name, "type": "STRING"}]}
    assert revisions.digest(read(more)) != revisions.digest(read(spec))


@hypothesis.given(specs, st.sampled_from([json.dumps, yaml.safe_dump]), st.booleans())
def test_how_a_file_is_written_does_not_matter(spec, write, ascii_only):
    # Quoted, because PyYAML leaves words bare that kubectl takes for booleans.
    quoted = {"allow_unicode": not ascii_only, "default_style": '"'}
    options = {"ensure_ascii": ascii_only} if write is json.dumps else quoted
    spec = writable(spec)
    (document,) = files.read(write(spec, **options).encode()).documents
    assert revisions.canonical(read(nodes.plain(document))) == revisions.canonical(read(spec))


def writable(value):
    """Without halves of pairs, and without what YAML has no way to write."""
    if isinstance(value, dict):
        return {writable(key): writable(child) for key, child in value.items()}
    if isinstance(value, list):
        return [writable(child) for child in value]
    if isinstance(value, str):
        return "".join(each if each.isprintable() or each == " " else "x" for each in value)
    return value


def places(value, path=()):
    """Where a flag or a text stands that means something by itself."""
    if isinstance(value, dict):
        return [place for key, child in value.items() for place in places(child, (*path, key))]
    if isinstance(value, list):
        return [place for number, child in enumerate(value) for place in places(child, (*path, number))]
    return [path] if isinstance(value, bool) or path[-1] in ("value", "ref", "optional") or "with" in path else []


def changed(value, path):
    if not path:
        return not value if isinstance(value, bool) else f"{value}x"
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = changed(value[path[0]], path[1:])
    return copy


@hypothesis.given(specs, st.data())
def test_another_value_anywhere_is_another_revision(spec, data):
    hypothesis.assume(places(spec))
    other = changed(spec, data.draw(st.sampled_from(places(spec))))
    assert revisions.digest(read(other)) != revisions.digest(read(spec))


@hypothesis.given(specs, st.data())
def test_a_recorded_revision_that_lost_a_byte_is_corrupt_or_reads_as_another(spec, data):
    form = revisions.canonical(read(spec))
    place = data.draw(st.integers(0, len(form) - 1))
    try:
        found = revisions.restore(form[:place] + form[place + 1 :])
    except errors.Corrupt:
        return
    assert found != revisions.restore(form)


@hypothesis.given(
    st.binary(max_size=60)
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=4),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["form", "contract", "name", "metadata", "materials", "annotations", "runner"]), inner
            )
        ),
    ).map(lambda value: json.dumps(value).encode())
)
def test_what_is_no_recorded_revision_is_corrupt(form):
    with pytest.raises(errors.Corrupt):
        revisions.restore(form)
