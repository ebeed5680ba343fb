"""What a claim says must be such that a database takes it: else it is refused with its place."""

from dataclasses import replace

import pytest

from avouch import errors
from avouch.attestation import predicate, recordable, statement, verification
from tests.unit.attestation import builders
from tests.unit.attestation.builders import NOW, POD, Pki


@pytest.fixture(scope="module")
def pki() -> Pki:
    return builders.pki()


def read(pki: Pki, facts: predicate.AttestationFacts) -> predicate.AttestationFacts:
    return recordable.read(verification.verify(pki.bundle(predicate.build(facts)), pki.trust, POD, NOW))


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"env": {"PARAM": "a\0b"}}, "predicate.env.PARAM"),
        ({"env": {"PA\0RAM": "1"}}, "predicate.env.PA\ufffdRAM"),
        ({"annotations": {"team": "\0"}}, "predicate.annotations.team"),
        ({"runner": predicate.Runner("TEKTON_PIPELINE", url="\0")}, "predicate.runnerURL"),
        ({"metadata": builders.metadata(team="\0")}, "predicate.metadata.team"),
        ({"materials": (builders.text_material(text=b"a\0b"),)}, "material 'note'"),
        ({"materials": (builders.file_material(resource="a\0.json"),)}, "predicate.materials[0].name"),
        (
            {"materials": (builders.file_material(annotations={"by": "\0"}),)},
            "predicate.materials[0].annotations.by",
        ),
        ({"extra_subjects": (statement.ResourceDescriptor("a\0", {"sha256": "0" * 64}),)}, "subject[3].name"),
    ],
)
def test_a_claim_with_a_character_that_no_record_holds_is_refused_with_its_place(
    pki: Pki, changes: dict[str, object], field: str
) -> None:
    with pytest.raises(errors.Invalid, match="U\\+0000") as refused:
        read(pki, builders.facts(**changes))
    assert refused.value.field == field
    assert refused.value.fix


def test_every_other_claim_is_read_as_ever(pki: Pki) -> None:
    said = builders.facts(env={"PARAM": r"\u0000", "é": "\N{CLINKING BEER MUGS}"})
    assert read(pki, said) == said


def test_a_file_that_is_inlined_may_hold_any_byte(pki: Pki) -> None:
    inline = builders.file_material(content=b"\0\1")
    inline = replace(inline, content=b"\0\1", storage="inline")
    assert read(pki, builders.facts(materials=(inline,))).materials == (inline,)
