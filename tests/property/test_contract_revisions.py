import hypothesis
from hypothesis import strategies as st

from avouch.contract import reading, revisions

names = st.from_regex("[a-z0-9]([-a-z0-9]{0,8}[a-z0-9])?", fullmatch=True)
words = st.from_regex("[0-9A-Za-z_]{1,8}", fullmatch=True)
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
policies = st.lists(
    st.fixed_dictionaries({"ref": names, "with": st.dictionaries(texts, texts, max_size=3)}), max_size=3
)
specs = st.fixed_dictionaries(
    {
        "materials": materials,
        "annotations": annotations,
        "envAllowList": st.lists(words, max_size=4, unique=True),
        "policies": st.fixed_dictionaries({"materials": policies}),
        "policyGroups": policies,
    }
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


SNAKE = {"skipUpload": "skip_upload", "envAllowList": "env_allow_list", "policyGroups": "policy_groups"}


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
