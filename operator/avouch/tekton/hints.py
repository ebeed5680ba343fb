"""Chains' type hints for images: pairs of results `<marker>IMAGE_URL` and `<marker>IMAGE_DIGEST`, and `IMAGES`.

Rules: tektoncd/chains pkg/artifacts/signable.go. The marker is what stands before the suffix, compared byte for byte;
values are trimmed; a result without its partner is not a pair. Unlike Chains, the order is the order of the results.
"""

import re
from collections.abc import Mapping

from avouch import digests, image_references

URL = "IMAGE_URL"
DIGEST = "IMAGE_DIGEST"
IMAGES = "IMAGES"


def pairs(results: Mapping[str, str]) -> dict[str, str]:
    """`reference@digest` by marker."""
    found: dict[str, str] = {}
    for name, value in results.items():
        marker = name.removesuffix(URL)
        digest = results.get(f"{marker}{DIGEST}", "").strip()
        if name.endswith(URL) and value.strip() and digests.well_formed(digest):
            found[marker] = reference(value, digest)
    return found


def images(results: Mapping[str, str]) -> tuple[str, ...]:
    """Every image that these results name as `reference@digest`, without repeats."""
    listed = re.split(r"[,\n]", results.get(IMAGES, ""))
    whole = (entry.strip() for entry in listed)
    return tuple(dict.fromkeys([*pairs(results).values(), *(image for image in whole if pinned(image))]))


def reference(url: str, digest: str) -> str:
    """An image reference pinned to a digest; an existing digest is replaced."""
    return str(image_references.split(url).at(digest.strip()))


def pinned(image: str) -> bool:
    """Whether an image reference ends in a sha256 digest."""
    return image_references.split(image).pinned


def for_material(results: Mapping[str, str], material: str) -> str:
    """The image for a material of this name: the one with its marker, else the only one.

    >>> for_material({"app-IMAGE_URL": "reg/app", "app-IMAGE_DIGEST": "sha256:" + "0" * 64}, "app")[:8]
    'reg/app@'
    """
    found = marked(results, material)
    every = found or images(results)
    return every[0] if len(every) == 1 else ""


def marked(results: Mapping[str, str], material: str) -> tuple[str, ...]:
    """The images whose marker is a material's name: more than one if markers differ only in their last dash."""
    return tuple(image for marker, image in pairs(results).items() if marker.rstrip("-_.") == material)
