import base64

from avouch import digests
from avouch.attestation import materials
from avouch.materials import images

DIGEST = digests.of_bytes(b"image")


def image(manifest: bytes = b"{}") -> images.Image:
    signature = images.Signature(digests.of_bytes(manifest), images.COSIGN, manifest)
    return images.Image("registry.example/app", DIGEST, "1", latest=True, signature=signature)


def test_an_image_is_a_material_with_its_signature() -> None:
    found = image()
    descriptor = materials.descriptor(
        materials.Material(
            name="app",
            type="CONTAINER_IMAGE",
            digest=found.digest,
            resource=found.name,
            image_tag=found.tag,
            image_latest=found.latest,
            extracted=found.extracted(),
        )
    )
    assert descriptor.annotations == {
        "chainloop.material.name": "app",
        "chainloop.material.type": "CONTAINER_IMAGE",
        "chainloop.material.image.tag": "1",
        "chainloop.material.image.is_latest_tag": True,
        "chainloop.material.signature": base64.b64encode(b"{}").decode(),
        "chainloop.material.signature.digest": str(digests.of_bytes(b"{}")),
        "chainloop.material.signature.provider": "cosign",
    }


def test_a_huge_signature_is_recorded_by_its_digest() -> None:
    found = image(b"x" * (images.RECORDED + 1)).extracted()
    assert sorted(found) == ["chainloop.material.signature.digest", "chainloop.material.signature.provider"]


def test_without_a_signature_nothing_is_said_of_one() -> None:
    assert images.Image("registry.example/app", DIGEST).extracted() == {}
