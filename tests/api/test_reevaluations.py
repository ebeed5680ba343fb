"""A real worker judges a run again. It comes last: the Contract of the shop asks for less after it."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from avouch import digests
from avouch.attestation import keysigned, trustroot
from avouch.contract import reading, revisions
from avouch.controlplane.model import reevaluations as reevaluation_model
from avouch.store import contracts, database, reevaluations, views
from tests.api.served import Served, until
from tests.api.shop import Pod, Shop, rows
from tests.api.test_run_evidence import ended as ended  # a fixture
from tests.api.test_run_evidence import saved, verify
from tests.api.test_worker_kills import Worker, verdicts
from tests.postgres import Postgres

pytestmark = [pytest.mark.apiserver, pytest.mark.postgres]


async def _asked_again(postgres: Postgres, name: str) -> None:
    """The Contract asks for nothing any more, and somebody wants the run judged by that."""
    manifest = {"apiVersion": "chainloop.dev/v1", "kind": "Contract", "metadata": {"name": "evidence"}, "spec": {}}
    canonical = revisions.canonical(reading.read(manifest))
    async with database.Database(postgres.url) as opened:
        before = await contracts.Contracts(opened).newest("shop", "evidence")
        assert before is not None
        less = replace(before, digest=digests.of_bytes(canonical), canonical=canonical)
        await contracts.Contracts(opened).record(less, epoch=1)
    asked = reevaluation_model.Asked("ann", "it asks for less", datetime.now(UTC))
    async with database.Database(postgres.url_of("server")) as opened:
        await reevaluations.Reevaluations(opened).ask("shop", name, asked)


async def _before(postgres: Postgres, name: str) -> bytes | None:
    async with database.Database(postgres.url_of("server")) as opened:
        return await views.RunViews(opened).signed("shop", name, "vsa", 1)


def test_a_real_worker_judges_a_run_again_and_both_verdicts_are_verified_by_anybody(
    shop: Shop, served: Served, prepared: Postgres, ended: tuple[Pod, str, bytes], tmp_path: Path
) -> None:
    pod, run, _ = ended
    ((name,),) = rows(prepared, "SELECT name FROM runs WHERE id = %s", run)
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    with Worker(shop, prepared, tmp_path / "worker", served):
        until(lambda: verdicts(prepared, run) == ["Failed"], "the run is judged")
        asyncio.run(saved(prepared, name, first))
        asyncio.run(_asked_again(prepared, name))
        until(lambda: verdicts(prepared, run) == ["Passed"], "the worker judges it again")
        asyncio.run(saved(prepared, name, second))
        keys = {family: (tmp_path / "worker" / f"{family}.pem").read_bytes() for family in keysigned.Family}
    trusted = trustroot.Document().joined([served.ca.certificate_pem], keys, datetime.now(UTC))
    (tmp_path / "trust.json").write_bytes(trusted.to_bytes())
    account = f"https://kubernetes.io/namespaces/shop/serviceaccounts/{pod.account}"
    for folder, code in ((first, 5), (second, 0)):
        answer = verify(folder, tmp_path / "trust.json", account)
        assert answer.returncode == code, answer.stdout + answer.stderr
    replaced = str(digests.of_bytes((first / "verdict.sigstore.json").read_bytes()))
    assert [line.split()[1] for line in answer.stdout.splitlines() if line.startswith("Replaces:")] == [replaced]
    assert asyncio.run(_before(prepared, name)) == (first / "verdict.sigstore.json").read_bytes()
