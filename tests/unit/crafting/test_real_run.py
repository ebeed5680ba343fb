"""The real run of Chainloop's CLI, crafted again by ours: the same predicate, but for what differs by nature."""

import base64
import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from avouch import digests, rfc3339
from avouch.attestation import materials, trust, verification
from avouch.crafting import adding, missing, state, statement
from avouch.crafting import run as crafting_run
from avouch.materials import types, validation
from tests.crafting import builders

THEIRS: dict[str, Any] = json.loads((builders.REAL / "statement.json").read_text())
ENV = THEIRS["predicate"]["env"]
# What differs, and why. Anything else that differed would be a defect.
DIFFERS = {
    ("builder", "id"): "another program",
    ("metadata", "finishedAt"): "we keep microseconds, Go nanoseconds",
    ("metadata", "initializedAt"): "we keep microseconds, Go nanoseconds",
    ("policyAttBlocked",): "policies are evaluated on the server, never here",
    ("policyBlockBypassEnabled",): "as above",
    ("policyCheckBlockingStrategy",): "as above",
    ("policyEvaluations",): "as above",
    ("policyEvaluationsCount",): "as above",
    ("policyHasViolations",): "as above",
    ("policyViolationsCount",): "as above",
}


def time(name: str) -> datetime:
    return rfc3339.read(THEIRS["predicate"]["metadata"][name], name)


def gathered(file: str, kind: str) -> adding.Gathered:
    content = (builders.REAL / file).read_bytes()
    found = validation.read(kind, content)
    assert not found.flaws
    return adding.Gathered(
        kind, digests.of_bytes(content), file, len(content), content, extracted=dict(found.annotations)
    )


def crafted() -> state.State:
    found = state.begin(
        state.State(
            builders.run(builders.real_contract()),
            time("initializedAt"),
            runner_type="GITHUB_ACTION",
            runner_url="https://github.com/acme/app/actions/runs/42",
            env=ENV,
            commit=builders.head(),
        )
    )
    big, note = b"v1\n", b"hello world"
    values: tuple[tuple[str, adding.Gathered, dict[str, str]], ...] = (
        ("skynet-sbom", gathered("sbom.cdx.json", "SBOM_CYCLONEDX_JSON"), {"asset": "x"}),
        ("tests", gathered("junit.xml", "JUNIT_XML"), {}),
        ("note", adding.Gathered("STRING", digests.of_bytes(note), size=len(note), content=note), {}),
        ("large-binary", adding.Gathered("ARTIFACT", digests.of_bytes(big), "big.bin", 3, big), {}),
    )
    for name, value, notes in values:
        found = adding.add(found, adding.asked(found, name, "", 0), value, notes).state
    return adding.annotate(found, {"who": "me"}).state


def ours(ending: statement.Ending | None = None) -> dict[str, Any]:
    last = ending or statement.Ending(time("finishedAt"), "1.0", "fileCA")
    found: dict[str, Any] = json.loads(statement.payload(crafted(), last))
    return found


def flat(value: dict[str, Any]) -> dict[tuple[str, ...], Any]:
    found: dict[tuple[str, ...], Any] = {}
    for key, item in value.items():
        if key in ("builder", "metadata"):
            found |= {(key, *below): each for below, each in flat(item).items()}
        else:
            found[(key,)] = item
    return found


def test_the_same_inputs_give_the_same_predicate_but_for_what_is_listed():
    theirs, mine = flat(THEIRS["predicate"]), flat(ours()["predicate"])
    differing = {key for key in theirs.keys() | mine.keys() if theirs.get(key) != mine.get(key)}
    assert differing == set(DIFFERS)


def test_subjects_are_the_same_but_for_the_digest_of_the_record():
    theirs, mine = THEIRS["subject"], ours()["subject"]
    assert [each["name"] for each in mine] == [each["name"] for each in theirs]
    assert mine[1:] == theirs[1:]


def test_nothing_is_owed_at_the_end():
    assert missing.owed(crafted(), missing.Way()) == ()


def test_the_same_state_gives_the_same_bytes_also_after_a_round_trip_through_its_form():
    ending = statement.Ending(time("finishedAt"), "1.0", "fileCA")
    again = state.read(state.write(crafted()))
    assert again == crafted()
    assert statement.payload(again, ending) == statement.payload(crafted(), ending)


def test_the_real_bundle_verifies_with_its_own_authority():
    bundle = (builders.REAL / "bundle.json").read_bytes()
    root = trust.TrustRoot.from_pems([(builders.REAL / "ca.crt.pem").read_bytes()])
    found = verification.verify(bundle, root, None, time("finishedAt"))
    payload = base64.b64decode(json.loads(bundle)["dsseEnvelope"]["payload"])
    assert json.loads(payload) == THEIRS
    assert found.statement.predicate == THEIRS["predicate"]


@pytest.mark.parametrize("file", ["contract.yaml", "junit.xml", "policy.yaml", "sbom.cdx.json", "README.md"])
def test_the_project_holds_the_inputs_of_the_run(file: str):
    assert Path(builders.REAL / file).stat().st_size


def test_a_backend_that_is_not_inline_leaves_content_out_of_the_statement():
    run = builders.run(builders.real_contract())._replace(backend=crafting_run.Backend("b", "s3", False, True, 10**9))
    found = state.begin(state.State(run, time("initializedAt")))
    added = adding.add(
        found, adding.asked(found, "tests", "", 0), gathered("junit.xml", "JUNIT_XML"), {}
    ).state.materials[0]
    assert (added.storage, added.content) == ("uploaded", None)
    assert materials.descriptor(added).annotations[materials.CAS] is True
    assert types.of(added.type).form is types.Form.FILE
