"""`avouch run bundle`, `run verify` and `trust export`: from the cluster to a verdict that anybody can hold."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from avouch import digests, errors
from avouch.attestation import bundle, dsse, keysigned, predicate, signing, trustroot, vsa
from avouch.cli.runs import bundles
from tests.unit.attestation import builders
from tests.unit.cli import line
from tests.unit.cli.runs.cluster import ROOT, Cluster, a_run

SIGNERS = {family: signing.KeySigner.generate() for family in keysigned.Family}
PKI = builders.pki()
ACCOUNT = builders.POD.uris()[0]
RECEIVED = builders.NOW + timedelta(minutes=2)
LATER = builders.NOW + timedelta(days=100)


def keyed(payload: bytes, family: str) -> bytes:
    signer = SIGNERS[keysigned.Family(family)]
    return bundle.to_bytes(bundle.Bundle(signing.sign_envelope(signer, dsse.IN_TOTO, payload), key_hint=signer.keyid))


def attestation(**changes: Any) -> bytes:
    return keyed(predicate.build(builders.facts(metadata=builders.metadata(**changes))), "attestation")


def verdict(*inputs: tuple[bytes, Any], passed: bool = True, family: str = "") -> bytes:
    facts = vsa.VsaFacts(
        verifier_id="https://avouch.example/verifier", time_verified=LATER,
        resource_uri="avouch://shop/workflows/build?namespaceUid=1-2",
        policy_uri="avouch://shop/contracts/release@3?namespaceUid=1-2", policy_digest=digests.of_bytes(b"contract"),
        inputs=tuple(vsa.InputAttestation(bundle.digest(content), at) for content, at in inputs), passed=passed,
        levels=("AVOUCH_CONTRACT_SATISFIED", "AVOUCH_EVIDENCE_SIDECAR"),
        subjects=(vsa.run_subject("build-1", digests.of_bytes(b"record")),),
    )  # fmt: skip
    return keyed(vsa.build(facts), family or ("passed" if passed else "failed"))


def trusted() -> trustroot.Document:
    private = {family: signer.private_key_pem() for family, signer in SIGNERS.items()}
    return trustroot.Document().joined([PKI.ca.certificate_pem], private, builders.NOW)


CLAIM, ATTESTATION = PKI.bundle(), attestation()
VERDICT = verdict((CLAIM, RECEIVED), (ATTESTATION, LATER))
EXPECTED = ("--certificate-identity", ACCOUNT)


@pytest.fixture
def saved(tmp_path: Path) -> Callable[..., list[str]]:
    """Write evidence and the trust root; the arguments of verify."""

    def save(**files: bytes) -> list[str]:
        folder = tmp_path / "build-1"
        folder.mkdir(exist_ok=True)
        for name, content in {"verdict": VERDICT, "attestation": ATTESTATION, "claim": CLAIM, **files}.items():
            if content:
                (folder / f"{name}.sigstore.json").write_bytes(content)
        (tmp_path / "trust.json").write_bytes(trusted().to_bytes())
        return ["run", "verify", str(folder), "--trust", str(tmp_path / "trust.json")]

    return save


def with_evidence() -> Cluster:
    known = Cluster(a_run("build-1", "PipelineRun/first"))
    path = f"{ROOT}/build-1"
    digest = str(bundle.digest(CLAIM))
    known.documents = {
        f"{path}/vsa": VERDICT.decode(), f"{path}/attestation": ATTESTATION.decode(),
        f"{path}/claims": json.dumps({"items": [{"digest": digest, "size": len(CLAIM)}]}),
        f"{path}/claims/{digest}": CLAIM.decode(),
    }  # fmt: skip
    known.objects["trustroots.runs.avouch.dev/avouch"] = {"spec": trusted().to_json()}
    return known


@pytest.mark.parametrize("form", [["--path", "saved"], ["--output", "saved.jsonl"]])
def test_what_is_saved_from_the_cluster_is_verified_without_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    here = line.Adapters(cluster=with_evidence())
    answer = line.run("run", "bundle", "first", *form, adapters=here)
    assert (answer.code, len(answer.out.splitlines())) == (0, 4), answer.err
    Path("trust.json").write_text(line.run("trust", "export", adapters=here).out)
    offline = ("run", "verify", form[1], "--trust", "trust.json", *EXPECTED)
    answer = line.run(*offline, "-n", "shop", "--workflow", "build", "--level", "AVOUCH_EVIDENCE_SIDECAR")
    assert answer.code == 0, answer.out + answer.err
    assert "signed by https://kubernetes.io/namespaces/shop/serviceaccounts/builder" in answer.out
    assert "Verdict:        PASSED" in answer.out
    said = json.loads(line.run(*offline, "-o", "json").out)
    assert (said["verified"], said["verdict"], [each["what"] for each in said["checked"]]) == (
        True, "PASSED", ["verdict", "attestation", "claim"],
    )  # fmt: skip


def test_a_folder_is_named_after_the_run_and_holds_each_bundle_byte_by_byte(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for _ in range(2):  # what is there already stays
        assert line.run("run", "bundle", "first", adapters=line.Adapters(cluster=with_evidence())).code == 0
    found = {path.name: path.read_bytes() for path in Path("build-1").iterdir()}
    claim = f"claim-{bundle.digest(CLAIM).hex[:12]}.sigstore.json"
    assert found == {"verdict.sigstore.json": VERDICT, "attestation.sigstore.json": ATTESTATION, claim: CLAIM}


def test_no_other_file_is_overwritten_and_no_link_is_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("precious").write_text("mine")
    Path("build-1").mkdir()
    Path("build-1/verdict.sigstore.json").symlink_to(tmp_path / "precious")
    answer = line.run("run", "bundle", "first", adapters=line.Adapters(cluster=with_evidence()))
    assert (answer.code, Path("precious").read_text()) == (1, "mine")
    assert "exists and is another file" in answer.err
    Path("precious").write_bytes(VERDICT)  # the same content, and still not where anybody said
    answer = line.run("run", "bundle", "first", adapters=line.Adapters(cluster=with_evidence()))
    assert (answer.code, "exists and is another file" in answer.err) == (1, True)
    Path("saved.jsonl").write_text("mine")
    answer = line.run(
        "run", "bundle", "first", "--output", "saved.jsonl", adapters=line.Adapters(cluster=with_evidence())
    )
    assert (answer.code, Path("saved.jsonl").read_text()) == (1, "mine")


def test_evidence_is_saved_in_one_form_and_in_lines_only_where_each_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    known = with_evidence()
    answer = line.run("run", "bundle", "first", "--path", "a", "--output", "b", adapters=line.Adapters(cluster=known))
    assert (answer.code, "exclude each other" in answer.err) == (1, True)
    known.documents[f"{ROOT}/build-1/vsa"] = VERDICT.decode().replace(",", ",\n", 1)
    answer = line.run("run", "bundle", "first", "--output", "b", adapters=line.Adapters(cluster=known))
    assert (answer.code, "verdict has several lines" in answer.err, list(tmp_path.iterdir())) == (1, True, [])


def test_bundles_are_read_from_lines_in_a_folder_and_empty_lines_are_none(tmp_path: Path) -> None:
    (tmp_path / "saved.jsonl").write_bytes(VERDICT + b"\n\n" + CLAIM + b"\n")
    (tmp_path / "notes.txt").write_bytes(b"nobody's")
    assert [piece.content for piece in bundles.read((str(tmp_path),))] == [VERDICT, CLAIM]


def test_who_may_not_read_claims_is_told_which_role_may_and_gets_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    known = with_evidence()
    known.documents[f"{ROOT}/build-1/claims"] = errors.Denied("workflowruns/claims is forbidden")
    adapters = line.Adapters(cluster=known)
    answer = line.run("run", "bundle", "first", adapters=adapters)
    assert (answer.code, list(tmp_path.iterdir())) == (1, [])
    assert "avouch-artifact-reader" in answer.err
    assert line.run("run", "bundle", "first", "--without-claims", adapters=adapters).code == 0
    Path("trust.json").write_text(line.run("trust", "export", adapters=adapters).out)
    offline = ("run", "verify", "build-1", "--trust", "trust.json")
    assert line.run(*offline, "--without-claims").code == 0
    answer = line.run(*offline, *EXPECTED)
    assert answer.code == 1
    assert "is not here, and the verdict was reached with it" in answer.err


def test_bytes_that_came_otherwise_than_they_were_listed_are_not_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    known = with_evidence()
    known.documents[f"{ROOT}/build-1/claims/{bundle.digest(CLAIM)}"] = CLAIM.decode() + " "
    assert line.run("run", "bundle", "first", adapters=line.Adapters(cluster=known)).code == 1
    assert list(tmp_path.iterdir()) == []


def test_the_evidence_of_an_earlier_build_of_this_name_is_not_taken_for_that_of_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    known = with_evidence()
    known.objects["pipelineruns.tekton.dev/first"] = {"metadata": {"uid": "uid-of-now"}}
    answer = line.run("run", "bundle", "first", adapters=line.Adapters(cluster=known))
    assert (answer.code, "no run of first" in answer.err, list(tmp_path.iterdir())) == (1, True, [])
    assert line.run("run", "bundle", "build-1", adapters=line.Adapters(cluster=known)).code == 0


def test_a_run_without_a_verdict_says_how_to_wait_for_it() -> None:
    answer = line.run("run", "bundle", "first", adapters=line.Adapters(cluster=Cluster(a_run("build-1"))))
    assert answer.code == 1
    assert "avouch run watch build-1 waits for the verdict" in answer.err


OTHER_RUN = PKI.bundle(predicate.build(builders.facts(metadata=builders.metadata(workflow_run_id="another"))))
STRANGER = builders.pki().bundle()
LYING = {
    "the verdict is not here": {"verdict": b""},
    "the attestation is not here": {"attestation": b""},
    "a claim is not here": {"claim": b""},
    "a claim was altered": {"claim": CLAIM.replace(b'"hint"', b'"hint2"') + b" "},
    "a claim is about another run": {
        "claim": OTHER_RUN, "verdict": verdict((OTHER_RUN, RECEIVED), (ATTESTATION, LATER)),
    },
    "a claim is certified by nobody we know": {
        "claim": STRANGER, "verdict": verdict((STRANGER, RECEIVED), (ATTESTATION, LATER)),
    },
    "a claim came when its certificate was no longer valid": {
        "verdict": verdict((CLAIM, builders.NOW + timedelta(hours=1)), (ATTESTATION, LATER)),
    },
    "the attestation is of another verdict": {"verdict": verdict((CLAIM, RECEIVED))},
    "a passed verdict is signed by the key for failed ones": {
        "verdict": verdict((CLAIM, RECEIVED), (ATTESTATION, LATER), family="failed"),
    },
    "there are two verdicts": {"second": verdict((CLAIM, RECEIVED), (ATTESTATION, LATER), passed=False)},
    "there are two attestations": {"second": attestation(workflow_run_id="another")},
    "a file is no bundle": {"other": b"{}"},
}  # fmt: skip


@pytest.mark.parametrize("case", LYING)
def test_evidence_is_whole_and_about_one_run_or_not_verified(saved: Callable[..., list[str]], case: str) -> None:
    answer = line.run(*saved(**LYING[case]), *EXPECTED, "-o", "json")
    assert (answer.code, json.loads(answer.out)["verified"]) == (1, False), case
    assert "NOT VERIFIED" in answer.err
    assert "Verdict: " not in line.run(*saved(**LYING[case]), *EXPECTED).out


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--certificate-identity", "https://kubernetes.io/namespaces/shop/serviceaccounts/other"],
        ["--certificate-identity-regexp", "https://kubernetes.io/namespaces/other/.*"],
        [*EXPECTED, "-n", "other"],
        [*EXPECTED, "--workflow", "other"],
        [*EXPECTED, "--namespace-uid", "9"],
        [*EXPECTED, "--verifier-id", "https://other.example"],
        [*EXPECTED, "--level", "AVOUCH_EVIDENCE_CLI"],
        [*EXPECTED, "--subject", "sha256:" + "0" * 64],
    ],
)
def test_nothing_passes_that_is_not_what_was_expected(saved: Callable[..., list[str]], arguments: list[str]) -> None:
    answer = line.run(*saved(), *arguments)
    assert answer.code == 1
    assert "NOT VERIFIED" in answer.err


def test_who_expects_nobody_is_told_who_signed(saved: Callable[..., list[str]]) -> None:
    assert f"--certificate-identity {ACCOUNT}" in line.run(*saved()).err


def test_where_nobody_signed_an_expected_signer_is_missing_and_the_record_alone_is_verified(
    saved: Callable[..., list[str]],
) -> None:
    arguments = saved(verdict=verdict((ATTESTATION, LATER)), claim=b"")
    for expected in (EXPECTED, ("--certificate-identity-regexp", ".*")):
        answer = line.run(*arguments, *expected)
        assert (answer.code, "a signer was expected" in answer.err) == (1, True), answer.out
        assert line.run(*arguments, *expected, "--without-claims").code == 0
    assert line.run(*arguments).code == 0


def test_no_more_is_read_than_anybody_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle, "MAX_BUNDLE", 1000)
    many, long = tmp_path / "many.jsonl", tmp_path / "long.jsonl"
    many.write_bytes(b"{}\n" * (bundles.MOST + 1) + b"x" * 1001)
    with pytest.raises(errors.TooLarge, match="bundles"):
        bundles.read((str(many),))  # its last line, which is too long, is not reached
    long.write_bytes(b"x" * 1000 + b"\r\n" + b"x" * 3000)
    with pytest.raises(errors.TooLarge, match="jsonl:2 is over 1000 bytes"):
        bundles.read((str(long),))
    (tmp_path / "long.json").write_bytes(b"x" * 3000)
    (piece,) = bundles.read((str(tmp_path / "long.json"),))
    assert len(piece.content) == 1001, "more than any bundle has, so that none is taken for its beginning"


def test_a_failed_verdict_is_verified_and_has_a_code_of_its_own(saved: Callable[..., list[str]]) -> None:
    answer = line.run(*saved(verdict=verdict((CLAIM, RECEIVED), (ATTESTATION, LATER), passed=False)), *EXPECTED)
    assert answer.code == 5
    assert "the verdict is FAILED" in answer.err


def test_a_claim_that_came_late_is_named_and_not_counted(saved: Callable[..., list[str]]) -> None:
    answer = line.run(*saved(late=OTHER_RUN), *EXPECTED)
    assert answer.code == 0, answer.err
    assert "not counted: the verdict was not reached with it" in answer.out


def test_after_a_rotation_old_and_new_evidence_is_verified(
    saved: Callable[..., list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments, before = saved(), trusted()
    fresh = {family: signing.KeySigner.generate() for family in keysigned.Family}
    private = {family: signer.private_key_pem() for family, signer in fresh.items()}
    rotated = before.joined([builders.pki().ca.certificate_pem], private, LATER)
    (tmp_path / "trust.json").write_bytes(rotated.to_bytes())
    assert line.run(*arguments, *EXPECTED).code == 0
    monkeypatch.setattr("tests.unit.cli.runs.test_evidence.SIGNERS", fresh)
    signed = attestation()
    renewed = {"attestation": signed, "verdict": verdict((CLAIM, RECEIVED), (signed, LATER))}
    for name, content in renewed.items():
        (tmp_path / "build-1" / f"{name}.sigstore.json").write_bytes(content)
    assert line.run(*arguments, *EXPECTED).code == 0
    without = rotated._replace(keys=before.keys)
    (tmp_path / "trust.json").write_bytes(without.to_bytes())
    assert line.run(*arguments, *EXPECTED).code == 1


def test_the_trust_root_verifies_single_bundles_too(saved: Callable[..., list[str]], tmp_path: Path) -> None:
    saved()
    trust = ("--trust", str(tmp_path / "trust.json"))
    folder = tmp_path / "build-1"
    for name in ("verdict", "attestation"):
        assert line.run("verify", str(folder / f"{name}.sigstore.json"), *trust).code == 0
    at = ("--at", "2026-11-21T12:02:00Z")
    assert line.run("verify", str(folder / "claim.sigstore.json"), *trust, *at, *EXPECTED).code == 0
    assert line.run("verify", str(folder / "claim.sigstore.json"), *trust, *at).code == 1


@pytest.mark.parametrize("content", [b"", b"{}", PKI.ca.certificate_pem, b'{"mediaType": "x"}'])
def test_what_is_no_trust_root_is_refused(saved: Callable[..., list[str]], tmp_path: Path, content: bytes) -> None:
    arguments = saved()
    (tmp_path / "trust.json").write_bytes(content)
    answer = line.run(*arguments, *EXPECTED)
    assert answer.code == 1
    assert "avouch trust export" in answer.err


def test_an_installation_without_a_trust_root_is_named() -> None:
    known = Cluster()
    known.objects["trustroots.runs.avouch.dev/avouch"] = {"spec": {}}
    answer = line.run("trust", "export", adapters=line.Adapters(cluster=known))
    assert answer.code == 1
    assert "has no trust root" in answer.err


def test_a_trust_root_is_written_into_a_file_and_read_from_the_server_that_is_named(tmp_path: Path) -> None:
    class Server:
        def trust_root(self) -> dict[str, Any]:
            return {"keys": ["of the server"]}

    adapters = line.Adapters(cluster=with_evidence())
    adapters.attesting = lambda _: Server()  # type: ignore[attr-defined]
    for arguments, expected in (
        ([], trusted().to_json()),
        (["--server", "https://avouch"], {"keys": ["of the server"]}),
    ):
        file = tmp_path / "trust.json"
        answer = line.run("trust", "export", *arguments, "--output", str(file), adapters=adapters)
        assert (answer.code, answer.out, json.loads(file.read_text())) == (0, "", expected), answer.err


def test_times_of_receipt_are_read_from_the_verdict_alone() -> None:
    summary = keysigned.verify(VERDICT, trusted().keys_for("")).statement
    assert vsa.received(summary) == {bundle.digest(CLAIM): RECEIVED, bundle.digest(ATTESTATION): LATER}
    broken = {**summary.predicate, "inputAttestations": [{"digest": {"sha256": "a" * 64}}]}
    with pytest.raises(errors.Invalid):
        vsa.received(replace(summary, predicate=broken))
