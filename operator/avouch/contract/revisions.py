"""The canonical form of a contract: equal meaning is equal bytes, so a revision's identity is its digest."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from avouch import digests, errors
from avouch.contract import model

_MAPS = ("metadata", "inputs")  # fields that hold pairs of names and values
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_FORM = "avouch.dev/contract/v1"  # names these rules: another form is another name, never a silent change


def canonical(contract: model.ContractSpec) -> bytes:
    """Canonical bytes: sorted keys, lists sorted by content, no spaces. Order, comments and spelling do not matter."""
    return compact({"form": _FORM, "contract": _sorted(asdict(contract))})


def digest(contract: model.ContractSpec) -> digests.Digest:
    """Identity of a revision."""
    return digests.of_bytes(canonical(contract))


def source_digest(manifest: Mapping[str, Any]) -> digests.Digest:
    """Digest of the bytes that were applied, as far as the cluster keeps them.

    That is the text which client-side `kubectl apply` keeps in its annotation; without one (server-side apply, create)
    the stored spec as compact JSON with sorted keys, the bytes of `kubectl get -o json | jq -cjS .spec`.
    """
    annotations = (manifest.get("metadata") or {}).get("annotations") or {}
    text = annotations.get(_LAST_APPLIED) or json.dumps(
        manifest.get("spec"), sort_keys=True, separators=(",", ":"), ensure_ascii=False
    )
    return digests.of_bytes(str(text).encode("utf-8", "surrogatepass"))


def restore(form: bytes) -> model.ContractSpec:
    """Read a recorded revision back.

    Raises:
        Corrupt: these bytes are not a canonical form.
    """
    try:
        raw = json.loads(form)
        if raw["form"] != _FORM:
            raise errors.Corrupt(f"a contract revision in an unknown form: {raw['form']!r}")
        return _contract(raw["contract"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as exc:
        raise errors.Corrupt(f"not a contract revision: {exc}") from exc


def compact(value: Any) -> bytes:
    """Compact JSON with sorted keys, in ASCII: equal values are equal bytes."""
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode("ascii")


def _sorted(value: Any) -> Any:
    """The order of lists in a contract has no meaning, so each is sorted; maps are pairs until here."""
    if isinstance(value, dict):
        return {key: dict(child) if key in _MAPS else _sorted(child) for key, child in value.items()}
    if isinstance(value, list | tuple):
        return sorted((_sorted(child) for child in value), key=compact)
    return value


def _contract(raw: dict[str, Any]) -> model.ContractSpec:
    return model.ContractSpec(
        name=raw["name"],
        metadata=_pairs(raw["metadata"]),
        materials=tuple(map(material, raw["materials"])),
        annotations=_annotations(raw["annotations"]),
        env_allow_list=tuple(raw["env_allow_list"]),
        runner=raw["runner"],
        material_policies=tuple(map(_policy, raw["material_policies"])),
        attestation_policies=tuple(map(_policy, raw["attestation_policies"])),
        policy_groups=tuple(
            model.PolicyGroupAttachment(**{**g, "inputs": _pairs(g["inputs"]), "skip": tuple(g["skip"])})
            for g in raw["policy_groups"]
        ),
    )


def material(raw: dict[str, Any]) -> model.Material:
    """A material from what `asdict` made of it."""
    return model.Material(**{**raw, "annotations": _annotations(raw["annotations"])})


def _annotations(raw: list[dict[str, str]]) -> tuple[model.Annotation, ...]:
    return tuple(model.Annotation(**annotation) for annotation in raw)


def _pairs(raw: dict[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(raw.items()))


def _policy(raw: dict[str, Any]) -> model.PolicyAttachment:
    return model.PolicyAttachment(
        **{**raw, "inputs": _pairs(raw["inputs"]), "requirements": tuple(raw["requirements"])}
    )
