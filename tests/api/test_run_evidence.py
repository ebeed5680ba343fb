"""What a real server took and a real worker signed: saved, verified offline, and deleted for a reason."""

import asyncio
import subprocess
import sys
import uuid
from datetime import UTC, datetime
from pathlib import Path

import pytest

from avouch import digests
from avouch.attestation import keysigned, trustroot
from avouch.controlplane.model import deletions as deletion_model
from avouch.store import database, deletions, views
from tests.api.served import ROOT, Served, until
from tests.api.shop import Pod, Shop, rows
from tests.api.test_worker_kills import Worker, _finish, verdicts
from tests.postgres import Postgres

pytestmark = [pytest.mark.apiserver, pytest.mark.postgres]


@pytest.fixture
def ended(shop: Shop, served: Served, prepared: Postgres) -> tuple[Pod, str, bytes]:
    """A pod, its run, which is Done, and what it claimed."""
    name = f"evidence-{uuid.uuid4()}"
    shop.taskrun(name)
    pod = shop.pod(name)
    run = served.open_run(pod)
    claim = served.claim(pod, run)
    assert served.push(pod, run, claim).status == 201
    asyncio.run(_finish(prepared, shop, pod, run))
    return pod, run, claim


async def saved(postgres: Postgres, name: str, folder: Path) -> None:
    """What `run bundle` writes, read with the rights of the server."""
    async with database.Database(postgres.url_of("server")) as opened:
        shown = views.RunViews(opened)
        for document, file in (("vsa", "verdict"), ("attestation", "attestation")):
            content = await shown.signed("shop", name, document)
            assert content is not None
            (folder / f"{file}.sigstore.json").write_bytes(content)
        listed = await shown.claims("shop", name)
        assert listed is not None
        for number, each in enumerate(listed):
            content = await shown.claim("shop", name, digests.Digest.parse(each["digest"]))
            assert content is not None
            (folder / f"claim-{number}.sigstore.json").write_bytes(content)


async def _deleted(postgres: Postgres, name: str) -> None:
    asked = deletion_model.Asked("ann", "holds a password", datetime.now(UTC))
    async with database.Database(postgres.url_of("server")) as opened:
        await deletions.Deletions(opened).ask("shop", name, asked)


def test_a_verdict_and_all_that_it_rests_on_is_verified_by_anybody_and_then_deleted(
    shop: Shop, served: Served, prepared: Postgres, ended: tuple[Pod, str, bytes], tmp_path: Path
) -> None:
    pod, run, claim = ended
    ((name,),) = rows(prepared, "SELECT name FROM runs WHERE id = %s", run)
    folder = tmp_path / "evidence"
    folder.mkdir()
    with Worker(shop, prepared, tmp_path / "worker", served):
        until(lambda: verdicts(prepared, run), "the run is judged")
        asyncio.run(saved(prepared, name, folder))
        keys = {family: (tmp_path / "worker" / f"{family}.pem").read_bytes() for family in keysigned.Family}
        trusted = trustroot.Document().joined([served.ca.certificate_pem], keys, datetime.now(UTC))
        (tmp_path / "trust.json").write_bytes(trusted.to_bytes())
        account = f"https://kubernetes.io/namespaces/shop/serviceaccounts/{pod.account}"
        for identity, code in ((account, 5), (f"{account}-of-another", 1)):  # its contract asks for more: FAILED
            answer = verify(folder, tmp_path / "trust.json", identity)
            assert answer.returncode == code, answer.stdout + answer.stderr
        assert (folder / "claim-0.sigstore.json").read_bytes() == claim
        asyncio.run(_deleted(prepared, name))
        until(lambda: not rows(prepared, "SELECT FROM runs WHERE id = %s", run), "the worker deletes it")
    kept = rows(prepared, "SELECT deleted_by, reason, result FROM run_deletions WHERE run_id = %s", run)
    assert kept == [("ann", "holds a password", "Failed")]
    assert served.push(pod, run, served.claim(pod, run)).status == 404


def verify(folder: Path, trust: Path, identity: str) -> "subprocess.CompletedProcess[str]":
    arguments = ("run", "verify", str(folder), "--trust", str(trust), "--certificate-identity", identity, "-n", "shop")
    command = [sys.executable, "-m", "avouch.processes.main", *arguments]
    variables = {"PYTHONPATH": str(ROOT / "operator"), "HOME": "/nonexistent", "PATH": "/nonexistent"}
    return subprocess.run(command, env=variables, capture_output=True, text=True, check=False, timeout=60)
