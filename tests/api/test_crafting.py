"""The command line of a CI job against the real server and the real worker: the same life as in tests/unit/cli."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from avouch.attestation import bundle, signing
from avouch.controlplane.intake import tokens as token_rules
from avouch.controlplane.model import identities
from avouch.store import database, views
from avouch.store import tokens as token_store
from tests.api.served import ROOT, Served
from tests.api.shop import Shop
from tests.api.test_worker_kills import Worker
from tests.crafting import builders
from tests.postgres import Postgres

pytestmark = [pytest.mark.apiserver, pytest.mark.postgres]
Run = Callable[..., "subprocess.CompletedProcess[str]"]
SIGNER = ("--certificate-identity-regexp", "https://avouch.dev/namespaces/shop/tokens/crafting/.+")


def minted(postgres: Postgres, uid: str) -> str:
    """A new API token of the shop's."""
    found = token_rules.mint(os.urandom(token_rules.ENTROPY))
    record = identities.TokenRecord(
        found.id, "crafting", "shop", uid, "uid-crafting", "Project", "", found.digest, datetime.now(UTC)
    )

    async def main() -> None:
        async with database.Database(postgres.url) as opened:
            await token_store.Tokens(opened).record(record, epoch=1)

    asyncio.run(main())
    return found.text


@pytest.fixture(scope="module")
def served(shop: Shop, prepared: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server that keeps artifacts in the database, as the worker does."""
    with Served(shop.api, prepared, tmp_path_factory.mktemp("served"), AVOUCH_AGGREGATED_API="false") as found:
        yield found


@pytest.fixture(scope="module")
def worker(shop: Shop, prepared: Postgres, served: Served, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The worker; the folder of its signing keys."""
    folder = tmp_path_factory.mktemp("crafting") / "worker"
    with Worker(shop, prepared, folder, served):
        yield folder


@pytest.fixture
def avouch(shop: Shop, prepared: Postgres, served: Served, worker: Path, tmp_path: Path) -> Run:
    """Types a command in a job of its own."""
    uid = str(shop.request("GET", "/api/v1/namespaces/shop")["metadata"]["uid"])
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT / "operator"),
        "HOME": str(tmp_path),
        "TMPDIR": str(tmp_path),
        "AVOUCH_SERVER": f"https://localhost:{served.port}",
        "AVOUCH_TOKEN": minted(prepared, uid),
        "AVOUCH_CA": served.ca.certificate_pem.decode(),
        "AVOUCH_NAMESPACE": "shop",
    }

    def run(*arguments: str, code: int = 0, **more: str) -> "subprocess.CompletedProcess[str]":
        done = subprocess.run(
            [sys.executable, "-m", "avouch.processes.main", *arguments],
            cwd=tmp_path,
            env={**environment, **more},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == code, done.stderr
        return done

    return run


def said(done: "subprocess.CompletedProcess[str]") -> Any:
    return json.loads(done.stdout)


def test_from_init_to_a_verified_bundle_and_a_passed_verdict(avouch: Run, tmp_path: Path):
    (tmp_path / "report.xml").write_bytes((builders.REAL / "junit.xml").read_bytes())
    avouch("attestation", "init", "--workflow", "release", "--version", "1.2.0")
    (owed,) = said(avouch("attestation", "status", "-o", "json"))["owed"]
    assert owed["fix"] == "avouch attestation add --name note --value TEXT"
    avouch("attestation", "push", code=1)
    avouch("attestation", "add", "--name", "note", "--value", "hello")
    added = said(avouch("attestation", "add", "--name", "tests", "--value", "report.xml", "-o", "json"))[0]
    assert (added["type"], added["storage"]) in (("JUNIT_XML", "uploaded"), ("JUNIT_XML", "inline"))
    pushed = said(avouch("attestation", "push", "--bundle", "b.json", "--wait", "60", "-o", "json"))
    assert pushed["findings"] == []
    assert pushed["verdict"] == "Passed"
    assert pushed["digest"] == str(bundle.digest((tmp_path / "b.json").read_bytes()))
    verified = said(avouch("attestation", "verify", "-b", "b.json", *SIGNER, "-o", "json"))
    assert verified["run"] == pushed["run"]
    assert verified["signedBy"][0].startswith("https://avouch.dev/namespaces/shop/tokens/crafting/")
    avouch("attestation", "status", code=1)


def test_one_command_attests_and_ends_the_runs_that_it_cannot_attest(avouch: Run, tmp_path: Path):
    (tmp_path / "report.xml").write_bytes((builders.REAL / "junit.xml").read_bytes())
    wanted = ("attest", "--workflow", "release", "--version", "1.3.0", "--material", "tests=report.xml", "--wait", "60")
    done = avouch(*wanted, code=1)
    assert "add --material note=TEXT" in done.stderr
    attested = said(avouch(*wanted, "--material", "note=hello", "--bundle", "b.json", "-o", "json"))
    assert (attested["verdict"], attested["findings"]) == ("Passed", [])
    assert attested["digest"] == str(bundle.digest((tmp_path / "b.json").read_bytes()))
    assert {each["name"] for each in attested["materials"]} == {"note", "tests"}
    verified = said(avouch("attestation", "verify", "-b", "b.json", *SIGNER, "-o", "json"))
    assert verified["run"] == attested["run"]


def vsa(postgres: Postgres, name: str) -> bytes:
    """The signed verification summary of a run, as the aggregated API hands it out."""

    async def main() -> bytes | None:
        async with database.Database(postgres.url) as opened:
            return await views.RunViews(opened).signed("shop", name, "vsa")

    found = asyncio.run(main())
    assert found is not None
    return found


def test_a_signed_verdict_is_verified_offline_by_the_public_half_of_the_workers_key(
    avouch: Run, shop: Shop, prepared: Postgres, worker: Path, tmp_path: Path
):
    for family in ("passed", "failed"):
        key = signing.KeySigner.from_pem((worker / f"{family}.pem").read_bytes())
        (tmp_path / f"{family}.pub").write_bytes(key.public_key_pem)
    (tmp_path / "report.xml").write_bytes((builders.REAL / "junit.xml").read_bytes())
    attested = said(avouch("attest", "--workflow", "release", "--material", "note=hello", "--material",
                           "tests=report.xml", "--wait", "60", "-o", "json"))  # fmt: skip
    (tmp_path / "vsa.json").write_bytes(vsa(prepared, attested["name"]))
    offline = {"AVOUCH_SERVER": "", "AVOUCH_TOKEN": "", "AVOUCH_CA": ""}
    wanted = ("verify", "vsa.json", "--key", "passed=passed.pub", "-n", "shop", "--workflow", "release", "-o", "json")
    verified = said(avouch(*wanted, **offline))
    assert (verified["verdict"], verified["verifierId"]) == ("PASSED", "https://avouch.example/tests")
    assert verified["verifiedLevels"] == ["AVOUCH_CONTRACT_SATISFIED", "AVOUCH_EVIDENCE_CLI"]
    uid = shop.uid("shop")
    assert verified["resourceUri"] == f"avouch://shop/workflows/release?namespaceUid={uid}"
    assert verified["policyUri"] == f"avouch://shop/contracts/evidence@1?namespaceUid={uid}"
    avouch(*wanted, "--namespace-uid", uid, "--level", "AVOUCH_EVIDENCE_CLI", **offline)
    avouch(*wanted, "--namespace-uid", "another", code=1, **offline)
    avouch(*wanted, "--level", "AVOUCH_EVIDENCE_SIDECAR", code=1, **offline)
    assert attested["digest"] in verified["inputAttestations"]
    avouch("verify", "vsa.json", "--key", "passed=failed.pub", code=1, **offline)
    avouch("verify", "vsa.json", "--key", "passed=passed.pub", "-n", "other", code=1, **offline)


def test_the_state_on_the_server_is_changed_by_several_at_once(avouch: Run):
    identity = said(avouch("attestation", "init", "--workflow", "release", "--remote-state", "-o", "json"))["run"]["id"]
    where = {"AVOUCH_ATTESTATION_ID": identity}
    avouch("attestation", "add", "--name", "note", "--value", "one", **where)
    avouch("attestation", "add", "--name", "note", "--value", "two", **where)
    assert said(avouch("attestation", "status", "-o", "json", **where))["materials"][0]["value"] == "two"
    assert said(avouch("attestation", "push", "--wait", "60", "-o", "json", **where))["verdict"] == "Passed"
    avouch("attestation", "status", code=1, **where)


def test_a_run_that_was_reset_takes_no_more(avouch: Run):
    avouch("attestation", "init", "--workflow", "release")
    avouch("attestation", "add", "--name", "note", "--value", "x")
    done = avouch("attestation", "reset", "--trigger", "cancellation", "--reason", "stopped by hand")
    assert "Canceled" in done.stdout or "cancellation" in done.stdout


def test_a_dry_run_leaves_nothing(avouch: Run):
    avouch("attestation", "init", "--workflow", "release", "--dry-run")
    avouch("attestation", "add", "--name", "note", "--value", "x")
    assert json.loads(avouch("attestation", "push").stdout)["predicate"]["metadata"]["workflowName"] == "release"


def test_what_may_not_be_attested_is_told_with_the_way_out(avouch: Run):
    done = avouch("attestation", "init", "--workflow", "strict", code=1)
    assert "spec.attesters" in done.stderr
    done = avouch("attestation", "init", "--workflow", "release", code=1, AVOUCH_TOKEN="avouch_x_y")  # noqa: S106
    assert "401" in done.stderr


def test_bytes_of_a_run_come_back_by_their_digest_to_its_attester(avouch: Run, tmp_path: Path):
    content = os.urandom(300_000)
    (tmp_path / "a.bin").write_bytes(content)
    digest = avouch("artifact", "upload", "-f", "a.bin", "-o", "name").stdout.strip()
    avouch("artifact", "download", "-d", digest, "--output", "early.bin", code=1)  # no run has used it
    avouch("attestation", "init", "--workflow", "release")
    avouch("attestation", "add", "--name", "note", "--value", "x")
    avouch("attestation", "add", "--name", "binary", "--value", "a.bin")
    assert said(avouch("attestation", "push", "--wait", "60", "-o", "json"))["verdict"] == "Passed"
    (tmp_path / f"b.bin.{digest[7:19]}.part").write_bytes(content[:123_456])  # an earlier download broke off
    avouch("artifact", "download", "-d", digest, "--output", "b.bin")
    assert (tmp_path / "b.bin").read_bytes() == content
