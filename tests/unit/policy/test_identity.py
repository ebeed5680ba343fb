"""One policy has one digest, however it is spelt and wherever it is."""

import json
from typing import Any

import pytest

from avouch import digests
from avouch.contract import policies
from avouch.policy import identity

REGO = "package main\nimport rego.v1\nviolations contains msg if { msg := input.x }\n"
ONE = {"policies": [{"kind": "SARIF", "embedded": REGO, "attestation_phases": []}], "inputs": [{"name": "days"}]}


def manifest(spec: dict[str, Any], kind: str = "Policy", **metadata: Any) -> dict[str, Any]:
    return {"apiVersion": "chainloop.dev/v1", "kind": kind, "metadata": {"name": "p", **metadata}, "spec": spec}


def digest(written: dict[str, Any]) -> digests.Digest:
    return identity.digest(policies.read(written))


@pytest.mark.parametrize(
    "same",
    [
        manifest({**ONE, "suspend": True}),
        manifest(ONE, namespace="elsewhere", uid="u", generation=7, labels={"a": "b"}),
        manifest(ONE, annotations={"kubectl.kubernetes.io/last-applied-configuration": "{}"}),
        manifest({"policies": [{"embedded": REGO, "kind": "SARIF"}], "inputs": [{"name": "days", "required": False}]}),
        {**manifest(ONE), "status": {"digest": None}},
    ],
)
def test_what_decides_the_same_has_one_digest(same: dict[str, Any]) -> None:
    assert digest(same) == digest(manifest(ONE))


OTHERS = [
    manifest(ONE),
    manifest({**ONE, "policies": [{"kind": "SARIF", "embedded": REGO + " "}]}),
    manifest({**ONE, "policies": [{"kind": "JUNIT_XML", "embedded": REGO}]}),
    manifest({**ONE, "inputs": [{"name": "days", "default": "1"}]}),
    manifest(ONE, name="q"),
    manifest(ONE, annotations={"chainloop.dev/finding_type": "SAST"}),
    manifest({}, "PolicyGroup"),
]


def test_what_decides_otherwise_has_another_digest() -> None:
    assert len({str(digest(each)) for each in OTHERS}) == len(OTHERS)


@pytest.mark.parametrize("written", OTHERS)
def test_the_canonical_form_is_the_policy_again(written: dict[str, Any]) -> None:
    form = identity.canonical(policies.read(written))
    assert identity.canonical(policies.read(json.loads(form))) == form
    assert form == json.dumps(json.loads(form), sort_keys=True, separators=(",", ":")).encode()


def test_the_digest_is_that_of_the_canonical_form_and_stays_what_it_is() -> None:
    """Runs are pinned to it: a digest that changes with a release would change what they are judged by."""
    form = b'{"apiVersion":"chainloop.dev/v1","kind":"Policy","metadata":{"name":"p"},"spec":{"path":"p.rego"}}'
    assert identity.canonical(policies.read(manifest({"path": "p.rego"}))) == form
    assert digest(manifest({"path": "p.rego"})) == digests.of_bytes(form)
