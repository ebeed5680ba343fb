"""Writes a domain contract as an object of schema v2; the reverse of `reading`."""

import json
from collections.abc import Iterable
from typing import Any

from avouch.api import contract as contract_kind
from avouch.contract import model


def manifest(contract: model.ContractSpec) -> dict[str, Any]:
    """The object; unset fields are left out."""
    metadata = {"name": contract.name, "annotations": dict(contract.metadata)}
    policies = {
        "materials": [_policy(policy) for policy in contract.material_policies],
        "attestation": [_policy(policy) for policy in contract.attestation_policies],
    }
    body = {
        "materials": [_material(material) for material in contract.materials],
        "envAllowList": list(contract.env_allow_list),
        "runner": _said({"type": contract.runner}),
        "annotations": _annotations(contract.annotations),
        "policies": _said(policies),
        "policyGroups": [
            _said({"ref": group.ref, "with": dict(group.inputs), "skip": list(group.skip), "gate": group.gate})
            for group in contract.policy_groups
        ],
    }
    head = {"apiVersion": contract_kind.KIND.api_version, "kind": contract_kind.KIND.name}
    return {**head, "metadata": _said(metadata), "spec": _said(body)}


def _material(material: model.Material) -> dict[str, Any]:
    said = {
        "type": material.type,
        "name": material.name,
        "optional": material.optional or None,
        "output": material.output or None,
        "skipUpload": material.skip_upload or None,
        "group": material.group,
        "annotations": _annotations(material.annotations),
    }
    return _said(said)


def _policy(policy: model.PolicyAttachment) -> dict[str, Any]:
    said = {
        "ref": policy.ref,
        "embedded": json.loads(policy.embedded) if policy.embedded else None,
        "selector": _said({"name": policy.selector_name, "matchMode": policy.match_mode}),
        "disabled": policy.disabled or None,
        "with": dict(policy.inputs),
        "requirements": list(policy.requirements),
        "gate": policy.gate,
    }
    return _said(said) | ({"embedded": {}} if policy.embedded == "{}" else {})


def _annotations(annotations: Iterable[model.Annotation]) -> list[dict[str, str]]:
    return [_said({"name": annotation.name, "value": annotation.value}) for annotation in annotations]


def _said(fields: dict[str, Any]) -> dict[str, Any]:
    """Without empty fields; a false flag is kept if it is a gate."""
    return {name: value for name, value in fields.items() if value is False or value}
