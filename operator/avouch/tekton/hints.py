"""The image that Task results show for a material: by the name of its result, or by Chains' type hints.

Type hints: pairs of results `<marker>IMAGE_URL` and `<marker>IMAGE_DIGEST`, and the list `IMAGES`. Rules:
tektoncd/chains pkg/artifacts/signable.go. The marker is what stands before the suffix, compared byte for byte; values
are trimmed; a result without its partner is not a pair; what names the same content again is no second image. Unlike
Chains, the order is the order of the results, and a text that names no image is said instead of skipped.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from avouch import image_references, plan
from avouch.image_references import Flaw, ImageReference, Reading, Unusable

URL = "IMAGE_URL"
DIGEST = "IMAGE_DIGEST"
IMAGES = "IMAGES"
_SEPARATORS = re.compile(r"[,\n]")


@dataclass(frozen=True, slots=True)
class Shown:
    """The image of a material. `guessed`: taken only because there is no other."""

    image: Reading
    guessed: bool = False


def of_material(material: plan.PlannedMaterial, results: Mapping[str, str]) -> Shown | None:
    """The image that these results show for a material whose source is a result or the convention."""
    if material.source.kind is plan.From.RESULT:
        return _named(material.source, results)
    own = marked(results, material.name)
    image = _only(own or images(results))
    said = results.get(material.name, "").strip()
    if said and not own and not isinstance(image, ImageReference):
        return Shown(image_references.pinned(said))
    return Shown(image, guessed=not own) if image is not None else None


def read_by(material: plan.PlannedMaterial, names: Iterable[str]) -> list[str]:
    """Which of these results `of_material` reads."""
    source = material.source
    if source.kind is plan.From.RESULT:
        return [name for name in names if name in (source.name, _digest_name(source))]
    return [name for name in names if name.endswith((URL, DIGEST)) or name in (IMAGES, material.name)]


def pairs(results: Mapping[str, str]) -> dict[str, Reading]:
    """The image of each complete pair, by marker."""
    found: dict[str, Reading] = {}
    for name, value in results.items():
        marker = name.removesuffix(URL)
        digest = results.get(f"{marker}{DIGEST}", "").strip()
        if name.endswith(URL) and value.strip() and digest:
            found[marker] = image_references.pinned(value, digest)
    return found


def without_digest(results: Mapping[str, str], material: str) -> list[tuple[str, str]]:
    """The hints that name an image by a tag alone, of this material or of none: the result, and the one that lacks."""
    found = [name.removesuffix(URL) for name, value in results.items() if name.endswith(URL) and value.strip()]
    lacking = [marker for marker in found if not results.get(f"{marker}{DIGEST}", "").strip()]
    return [(f"{marker}{URL}", f"{marker}{DIGEST}") for marker in lacking if marker.rstrip("-_.") in ("", material)]


def listed(text: str) -> tuple[Reading, ...]:
    """The images of a list such as `IMAGES`, separated by commas or line ends."""
    if text.strip().startswith("["):
        message = f"{text.strip()[:200]!r} is an array, not a list in a text"
        fix = "declare the result as a string: references separated by commas or line ends"
        return (Unusable(text.strip(), Flaw.REFERENCE_INVALID, message, fix),)
    return tuple(_of_list(entry.strip()) for entry in _SEPARATORS.split(text) if entry.strip())


def images(results: Mapping[str, str]) -> tuple[Reading, ...]:
    """Every image that these results name by a hint."""
    return (*pairs(results).values(), *listed(results.get(IMAGES, "")))


def marked(results: Mapping[str, str], material: str) -> tuple[Reading, ...]:
    """The images whose marker is a material's name: more than one if markers differ only in their last dash."""
    return tuple(image for marker, image in pairs(results).items() if marker.rstrip("-_.") == material)


def _named(source: plan.Source, results: Mapping[str, str]) -> Shown | None:
    said = results.get(source.name, "").strip()
    digest = results.get(_digest_name(source), "")
    if not (said or digest.strip()):
        return None
    if source.name != IMAGES or not said:
        return Shown(image_references.pinned(said, digest))
    every = listed(said)
    message = f"{source.name} names {len(every)} images: {said[:200]!r}"
    several = Unusable(said, Flaw.REFERENCE_INVALID, message, "name a result that holds one image")
    return Shown(_only(every) or several)


def _digest_name(source: plan.Source) -> str:
    """The result that holds the digest: the one named, else the type hint's other half."""
    if source.digest:
        return source.digest
    return source.name.removesuffix(URL) + DIGEST if source.name.endswith(URL) else ""


def _of_list(entry: str) -> Reading:
    if re.search(r"\s", entry):
        message = f"{IMAGES} holds {entry[:200]!r}, which is not one image reference"
        return Unusable(entry, Flaw.REFERENCE_INVALID, message, "separate images by commas or line ends")
    return image_references.pinned(entry)


def _only(found: tuple[Reading, ...]) -> Reading | None:
    """The first that names no image, else the only one: two names of one content are one image."""
    flawed = next((each for each in found if isinstance(each, Unusable)), None)
    distinct = {each.content: each for each in reversed(found) if not isinstance(each, Unusable)}
    return flawed or (next(iter(distinct.values())) if len(distinct) == 1 else None)
