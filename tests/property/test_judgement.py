"""What holds for every run: Passed means all is there and nothing disagrees, and order never matters."""

from hypothesis import given
from hypothesis import strategies as st

from avouch.controlplane.model import verdicts
from tests.unit.controlplane.judging import tekton_cases as make

DIGESTS = st.sampled_from([make.GOOD, make.EVIL, make.FILE])
TASKRUNS = st.sampled_from(["build-1", "build-2", "lint-1"])
SHOT = make.snapshot(make.built(), make.built(name="build-2"), make.taskrun("lint-1", "lint"), matrix=["build"])
PLANS = st.builds(
    lambda image, sbom, optional, policies: make.planned(
        *([make.image()] if image else []),
        *([make.asked(optional=optional)] if sbom else []),
        has_policies=policies,
    ),
    st.booleans(), st.booleans(), st.booleans(), st.booleans(),
)  # fmt: skip
CLAIMS = st.lists(
    st.builds(
        lambda files, images, taskrun, explicit: make.said(
            *map(make.file, files), *map(make.claimed_image, images), taskrun=taskrun, explicit=explicit
        ),
        st.lists(DIGESTS, max_size=1), st.lists(DIGESTS, max_size=1), TASKRUNS, st.booleans(),
    ),
    max_size=5,
)  # fmt: skip
DOCUMENTS = make.fine(make.GOOD, make.EVIL, make.FILE)


@given(PLANS, CLAIMS)
def test_passed_means_everything_required_is_there_and_nothing_disagrees(made_plan, told):
    found = make.verdict(make.case(made_plan, SHOT, *told, documents=DOCUMENTS))
    if found.result is verdicts.VerdictResult.PASSED:
        assert {m.name for m in made_plan.materials if not m.optional} <= {m.name for m in found.materials}
        assert not found.findings
        assert not made_plan.has_policies
        images = {str(m.digest) for one in told for m in one.facts.materials if m.name == "image"}
        assert images <= {make.GOOD} or not any(m.name == "image" for m in made_plan.materials)


@given(CLAIMS)
def test_one_more_claim_that_contradicts_never_passes(told):
    lie = make.said(make.claimed_image(make.EVIL), explicit=True)
    case = make.case(make.planned(make.image()), SHOT, *told, lie, documents=DOCUMENTS)
    assert make.verdict(case).result is verdicts.VerdictResult.REJECTED


@given(PLANS, CLAIMS, st.randoms(use_true_random=False))
def test_the_order_of_claims_never_matters(made_plan, told, random):
    shuffled = list(told)
    random.shuffle(shuffled)
    one = make.verdict(make.case(made_plan, SHOT, *told, documents=DOCUMENTS))
    assert make.verdict(make.case(made_plan, SHOT, *shuffled, documents=DOCUMENTS)) == one
