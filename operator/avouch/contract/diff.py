"""The differences between two revisions of a contract, for people."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from avouch import digests
from avouch.contract import model, revisions

_Facts = dict[str, str]
_Part = tuple[str, str, _Facts]  # kind of the part, its name, and its facts


class Kind(StrEnum):
    """Kind of a change."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class Change:
    """One change of one thing; `field`, `before` and `after` only for a thing that is in both revisions."""

    kind: Kind
    what: str
    field: str = ""
    before: str = ""
    after: str = ""

    def __str__(self) -> str:
        if self.kind is Kind.CHANGED:
            return f"~ {self.what}: {self.field} {self.before or 'nothing'} -> {self.after or 'nothing'}"
        said = self.after or self.before
        return f"{'+' if self.kind is Kind.ADDED else '-'} {self.what}{f' ({said})' if said else ''}"


def changes(before: bytes, after: bytes) -> tuple[Change, ...]:
    """All changes between two canonical forms, in the order of the contract's parts; empty if they mean the same.

    Raises:
        Corrupt: one of them is not a canonical form.
    """
    old, new = (dict(_named(_parts(revisions.restore(form)))) for form in (before, after))
    found: list[Change] = []
    for what in dict.fromkeys([*old, *new]):
        found += _compared(what, old.get(what), new.get(what))
    if not found and before != after:  # never silent, whatever the parts are called
        found.append(
            Change(Kind.CHANGED, "contract", "digest", *(str(digests.of_bytes(form)) for form in (before, after)))
        )
    return tuple(found)


def _compared(what: str, old: _Facts | None, new: _Facts | None) -> Iterator[Change]:
    if old is None or new is None:
        said = _said(new if old is None else old or {})
        yield Change(Kind.ADDED, what, after=said) if old is None else Change(Kind.REMOVED, what, before=said)
        return
    for field in dict.fromkeys([*old, *new]):
        if old.get(field, "") != new.get(field, ""):
            yield Change(Kind.CHANGED, what, field, old.get(field, ""), new.get(field, ""))


def _said(facts: _Facts | None) -> str:
    return ", ".join(value if key == "type" else f"{key} {value}" for key, value in (facts or {}).items() if value)


def _named(parts: Iterator[_Part]) -> Iterator[tuple[str, _Facts]]:
    """The parts by unique names: a policy may be attached twice, with different inputs."""
    counts: dict[str, int] = {}
    for what, name, facts in parts:
        said = f"{what} {name}".strip()
        counts[said] = counts.get(said, 0) + 1
        yield (said if counts[said] == 1 else f"{said} #{counts[said]}"), facts


def _parts(contract: model.ContractSpec) -> Iterator[_Part]:
    yield "contract", "", {"name": contract.name, "runner": contract.runner}
    for key, value in contract.metadata:
        yield "metadata annotation", key, {"value": _quoted(value)}
    for material in contract.materials:
        yield from _material(material)
    for annotation in contract.annotations:
        yield "annotation", annotation.name, _value(annotation)
    for name in contract.env_allow_list:
        yield "variable", name, {}
    for what, policies in (("material", contract.material_policies), ("attestation", contract.attestation_policies)):
        for policy in policies:
            yield _policy(f"{what} policy", policy)
    for group in contract.policy_groups:
        facts = {"pin": _pin(group.ref), "gate": _tri(group.gate), "skip": ", ".join(map(_quoted, group.skip))}
        yield "policy group", group.ref.partition("@")[0], facts | _inputs(group.inputs)


def _material(material: model.Material) -> Iterator[_Part]:
    flags = {"optional": material.optional, "output": material.output, "skipUpload": material.skip_upload}
    facts = {"type": material.type, **{name: "true" if flag else "" for name, flag in flags.items()}}
    yield "material", material.name, {**facts, "group": material.group}
    for annotation in material.annotations:
        yield f"annotation of material {material.name}:", annotation.name, _value(annotation)


def _value(annotation: model.Annotation) -> _Facts:
    return {"value": _quoted(annotation.value) if annotation.value else "from the run"}


def _policy(what: str, policy: model.PolicyAttachment) -> _Part:
    name = policy.ref.partition("@")[0] or f"embedded {_embedded_name(policy.embedded)}".strip()
    star = "*" if policy.match_mode == "PREFIX" else ""
    selected = f" on {policy.selector_name}{star}" if policy.selector_name else ""
    facts = {
        "pin": _pin(policy.ref),
        "content": str(digests.of_bytes(policy.embedded.encode())) if policy.embedded else "",
        "disabled": "true" if policy.disabled else "",
        "gate": _tri(policy.gate),
        "requirements": ", ".join(policy.requirements),
    }
    return what, f"{name}{selected}", facts | _inputs(policy.inputs)


def _embedded_name(embedded: str) -> str:
    found = json.loads(embedded)
    metadata = found.get("metadata") if isinstance(found, dict) else None
    name = metadata.get("name") if isinstance(metadata, dict) else None
    return name if isinstance(name, str) else ""


def _pin(reference: str) -> str:
    return reference.partition("@")[2]


def _tri(flag: bool | None) -> str:
    return "" if flag is None else str(flag).lower()


def _inputs(inputs: tuple[tuple[str, str], ...]) -> _Facts:
    return {f"with.{name}": _quoted(value) for name, value in inputs}


def _quoted(value: str) -> str:
    """In quotes, so that empty values are visible and values are not read as part of the message."""
    return json.dumps(value, ensure_ascii=False)
