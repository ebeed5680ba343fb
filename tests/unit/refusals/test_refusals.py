"""Each cause of a refusal has one fix, and what an unknown one says is never lost."""

import pytest

from avouch import errors, refusals

NAMES = {"task": "task build", "file": "out/bom.json", "workspace": "src", "material": "sbom"}


@pytest.mark.parametrize("cause", refusals.CAUSES)
def test_the_fix_of_a_cause_is_its_own_and_speaks_of_this_material(cause):
    told = refusals.fix(cause, "what the sidecar said", **NAMES)
    assert (told == "what the sidecar said") is not bool(refusals.CAUSES[cause].fix)
    assert "{" not in told
    assert refusals.CAUSES[cause].meaning.endswith(".")


def test_no_two_causes_have_one_fix():
    told = [refusals.fix(cause, cause, **NAMES) for cause in refusals.CAUSES]
    assert len(set(told)) == len(told)


@pytest.mark.parametrize("cause", ["", "OfTheFuture"])
def test_a_cause_that_is_not_known_leaves_the_word_of_the_sidecar_or_the_general_rule(cause):
    assert refusals.fix(cause, "write {this}", **NAMES) == "write {this}"
    assert refusals.fix(cause, "", **NAMES).startswith("let task build write one regular file")
    assert not refusals.is_absence(cause)


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (errors.Refused("m", "Link"), "Link"),
        (errors.NotFound("m"), "Absent"),
        (errors.TooLarge("m"), "TooLarge"),
        (errors.Denied("m"), "ServerRefused"),
        (errors.Invalid("m"), "Unusable"),
    ],
)
def test_every_error_has_a_cause_of_the_table(error, cause):
    assert refusals.of(error) == cause
    assert cause in refusals.CAUSES


def test_the_page_has_every_cause_once():
    page = "\n".join(refusals.markdown())
    assert [page.count(f"| `{name}` |") for name in refusals.CAUSES] == [1] * len(refusals.CAUSES)


def test_only_what_is_not_there_is_absent() -> None:
    assert {cause for cause in [*refusals.CAUSES, "OfALaterVersion"] if refusals.is_absence(cause)} == {
        "Absent",
        "WorkspaceUnbound",
    }
