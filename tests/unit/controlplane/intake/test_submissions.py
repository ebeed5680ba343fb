"""What a statement refers to: the bytes that stay stored for it."""

from avouch.controlplane.intake import submissions
from tests.unit.attestation import builders


def test_the_artifacts_of_a_statement_are_its_files_and_neither_texts_nor_images() -> None:
    sbom = builders.file_material("sbom", b"sbom")
    image = builders.file_material("image", b"image", type="CONTAINER_IMAGE")
    facts = builders.facts(materials=(builders.text_material(), sbom, image))
    assert submissions.artifacts_of(facts) == (sbom.digest,)
