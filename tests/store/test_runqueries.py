"""Lists, summaries and counts answer what a naive reading of the rows answers."""

import asyncio
import datetime
import uuid
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from avouch import errors, rfc3339
from avouch.controlplane.model import deliveries as delivery_model
from avouch.controlplane.model import deliverybounds, selectors, verdicts
from avouch.controlplane.model import runs as run_model
from avouch.processes import workermetrics
from avouch.store import database, deliveries, external_runs, rundocuments, runqueries, tables, views
from avouch.store import runs as run_store
from tests.store import conftest as make
from tests.store.test_external_runs import crafted

pytestmark = pytest.mark.postgres

WORKFLOWS = tuple(f"build-{number}" for number in range(9))
LABELS = ({}, {"app": "shop"}, {"app": "shop", "team": "a"}, {"app": "x", "team": "a"})
RESULTS = tuple(one.value for one in verdicts.VerdictResult)
EVIDENCE = tuple(one.value for one in verdicts.Evidence)
SUBJECTS = ("first", "second")
KINDS = ("PipelineRun", "TaskRun", "External")
DIGESTS = tuple("sha256:" + each * 64 for each in "ab")
COMMITS = tuple(each * 40 for each in "cd")
OWN = ({}, {"branch": "main"}, {"branch": "fix", "kept": "b"})
FILTERS = {
    "workflow": st.sampled_from((*WORKFLOWS, "nobody")),
    "verdict": st.sampled_from((*RESULTS, "Nonsense")),
    "evidence": st.sampled_from((*EVIDENCE, "nonsense")),
    "subject": st.sampled_from((*SUBJECTS, "nobody")),
    "kind": st.sampled_from((*KINDS, "Nonsense")),
    "digest": st.sampled_from((*DIGESTS, "nothing")),
    "commit": st.sampled_from((*COMMITS, "f" * 40)),
    "labels": st.sampled_from(
        (
            "app=shop", "app=shop,team=a", "team=a", "app=nobody", "only=build-3", "app!=shop", "team", "!team",
            "app in (x,shop),team!=a", "only in (build-1,build-2)", "branch=main", "branch=main,app=shop", "branch",
            "branch!=main", "branch in (main,fix)", "!branch", "branch=none", "kept=b", "kept in (a,b),branch=fix",
        )
    ).map(selectors.labels),
}  # fmt: skip
FILTERS |= {
    key: FILTERS[key] | st.frozensets(FILTERS[key], min_size=1, max_size=2).map(selectors.Not)
    for key in ("workflow", "verdict", "evidence", "subject", "kind")
}


@dataclass(frozen=True)
class Row:
    """A run as the property knows it."""

    place: int  # one of two namespaces, or the predecessor of the first
    workflow: str
    result: str
    evidence: str
    labels: dict[str, str]
    own: dict[str, str] = field(default_factory=dict)  # labels of its build
    subject: str = "first"
    kind: str = "TaskRun"
    digest: str = DIGESTS[0]
    commit: str = COMMITS[0]

    @property
    def of_workflow(self) -> dict[str, str]:
        """Labels of its Workflow, of which one tells it from others, and one is what builds of others have."""
        kept = {"kept": "a"} if not self.own and self.workflow == WORKFLOWS[0] else {}
        return {**self.labels, **kept, "only": self.workflow}

    @property
    def known(self) -> dict[str, str]:
        """All its labels."""
        return {**self.own, **self.of_workflow}


ROWS = st.lists(
    st.builds(
        Row,
        st.integers(0, 2),
        st.sampled_from(WORKFLOWS),
        st.sampled_from(RESULTS),
        st.sampled_from(EVIDENCE),
        st.sampled_from(LABELS),
        st.sampled_from(OWN),
        st.sampled_from(SUBJECTS),
        st.sampled_from(KINDS),
        st.sampled_from(DIGESTS),
        st.sampled_from(COMMITS),
    ),
    max_size=40,
)


class Stage:
    """Rows in namespaces of their own."""

    def __init__(self, opened: database.Database, rows: list[Row]) -> None:
        self.opened, self.rows = opened, rows
        stem = f"ns-{uuid.uuid4().hex[:12]}"
        self.namespaces = [f"{stem}-0", f"{stem}-1", f"{stem}-0"]
        self.uids = [f"{stem}-uid-0", f"{stem}-uid-1", f"{stem}-uid-before"]
        self.names = [f"run-{uuid.uuid4().hex[:8]}" for _ in rows]

    async def write(self) -> None:
        known = [{"name": name, "uid": uid} for name, uid in zip(self.namespaces[:2], self.uids, strict=False)]
        async with self.opened.transaction() as connection:
            newest = (await connection.execute(sa.select(tables.versions.c.value))).scalar_one()
            await connection.execute(sa.insert(tables.namespaces), known)
            if self.rows:
                rows = [self._row(number, newest) for number in range(len(self.rows))]
                await connection.execute(sa.insert(tables.runs), rows)
                found = [self._verdict(row, each["id"]) for row, each in zip(self.rows, rows, strict=True)]
                await connection.execute(sa.insert(tables.verdicts), found)
            await connection.execute(sa.update(tables.versions).values(value=newest + len(self.rows)))

    def _row(self, number: int, newest: int) -> dict[str, Any]:
        row, version = self.rows[number], newest + number + 1
        judged = row.result != "Pending"
        return {
            "id": uuid.uuid4(), "name": self.names[number],
            "workflow_uid": f"{self.uids[row.place]}/{row.workflow}", "subject_uid": str(uuid.uuid4()),
            "namespace": self.namespaces[row.place], "namespace_uid": self.uids[row.place],
            "workflow": row.workflow, "subject_kind": row.kind, "subject_name": row.subject, "contract": "c",
            "revision": 1, "contract_digest": "sha256:0", "plan": "{}", "created_at": make.NOW, "result": row.result,
            "evidence": row.evidence, "labels": row.of_workflow, "own_labels": row.own, "resource_version": version,
            "created_version": version,
            "judged_at": make.NOW + datetime.timedelta(seconds=number) if judged else None,
            "judged_version": version if judged else 0,
        }  # fmt: skip

    @staticmethod
    def _verdict(row: Row, run_id: uuid.UUID) -> dict[str, Any]:
        image = {"name": "image", "type": "CONTAINER_IMAGE", "digest": row.digest, "output": False}
        report = {"name": "report", "type": "SARIF", "digest": "sha256:" + "9" * 64, "output": False}
        commit = {"name": "commit", "type": "STRING", "value": row.commit, "digest": DIGESTS[1], "output": False}
        said = {"annotations": {"revision": row.commit, "word": "main"}, "env": {"GITHUB_SHA": row.commit}}
        return {"run_id": run_id, "findings": [], "materials": [image, report, commit], "left_out": {}, **said}

    def expected(self, places: tuple[int, ...], filters: selectors.Filters) -> list[tuple[str, str]]:
        found = [
            (self.namespaces[row.place], name)
            for row, name in zip(self.rows, self.names, strict=True)
            if row.place in places and _matches(row, name, filters)
        ]
        return sorted(found)

    async def listed(self, namespace: str | None, filters: selectors.Filters, limit: int) -> list[tuple[str, str]]:
        shown, found, token = views.RunViews(self.opened), [], ""
        for _ in range(300):  # far more pages than there are: who goes round in a circle ends
            page, token, _ = await shown.page(namespace, limit=limit, after=token, filters=filters, whole=False)
            assert len(page) <= limit
            found += [(document["namespace"], document["name"]) for document in page]
            if not token:
                return found
        raise AssertionError


def _matches(row: Row, name: str, filters: selectors.Filters) -> bool:
    plain = {
        "workflow": row.workflow, "verdict": row.result, "evidence": row.evidence, "name": name, "kind": row.kind,
        "subject": row.subject, "digest": row.digest, "commit": row.commit,
    }  # fmt: skip
    if not all(selectors.is_wanted(found, filters.get(key)) for key, found in plain.items()):
        return False
    return all(one.holds(row.known) for one in rundocuments.asked_labels(filters))


TWO_OF_ONE_IMAGE = [
    Row(0, WORKFLOWS[0], RESULTS[0], EVIDENCE[0], {}, digest=DIGESTS[0], commit=commit) for commit in COMMITS
]


@example(rows=TWO_OF_ONE_IMAGE, filters={"digest": DIGESTS[0], "commit": COMMITS[1]}, limit=3)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=ROWS, filters=st.fixed_dictionaries({}, optional=FILTERS), limit=st.integers(1, 7))
def test_pages_hold_what_matches_once_and_in_order_and_nothing_of_a_predecessor(server, rows, filters, limit) -> None:
    asyncio.run(_listed(server.url, rows, filters, limit))


async def _listed(url: str, rows: list[Row], filters: dict[str, str], limit: int) -> None:
    async with database.Database(url) as opened:
        stage = Stage(opened, rows)
        await stage.write()
        for place in (0, 1):
            found = await stage.listed(stage.namespaces[place], filters, limit)
            assert found == stage.expected((place,), filters)
        mine = set(stage.namespaces)
        everywhere = [one for one in await stage.listed(None, filters, 500) if one[0] in mine]
        assert everywhere == stage.expected((0, 1), filters)


JUDGED_AND_PENDING = [
    Row(0, workflow, result, EVIDENCE[0], {}) for workflow in WORKFLOWS[:3] for result in ("Passed", "Pending")
]


@example(rows=JUDGED_AND_PENDING)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=ROWS)
def test_summaries_hold_the_newest_judged_run_of_each_workflow(server, rows) -> None:
    asyncio.run(_summarised(server.url, rows))


async def _summarised(url: str, rows: list[Row]) -> None:
    async with database.Database(url) as opened:
        stage = Stage(opened, rows)
        async with opened.transaction() as connection:
            before = (await connection.execute(sa.select(tables.versions.c.value))).scalar_one()
        await stage.write()
        expected: dict[tuple[str, str], str] = {}
        for row, name in zip(rows, stage.names, strict=True):
            if row.result != "Pending":
                expected[stage.namespaces[row.place], row.workflow] = name
        store = run_store.Runs(opened)
        for since in (0, max(before, 1)):
            found = {(ns, flow): run.name for ns, flow, run in await store.summaries(since) if ns in stage.namespaces}
            assert found == expected
        last = before + len(rows)
        assert [run for ns, _, run in await store.summaries(max(last, 1)) if ns in stage.namespaces] == []
        await store.close()


async def test_of_runs_that_one_commit_judged_the_last_one_is_the_same_for_whoever_asks(server) -> None:
    async with database.Database(server.url) as opened:
        passed = Row(0, WORKFLOWS[0], "Passed", EVIDENCE[0], {})
        stage = Stage(opened, [passed] * 8)
        async with opened.transaction() as connection:
            before = (await connection.execute(sa.select(tables.versions.c.value))).scalar_one()
        await stage.write()
        store, runs, last = run_store.Runs(opened), tables.runs, before + 8
        async with opened.transaction() as connection:
            together = sa.update(runs).where(runs.c.namespace == stage.namespaces[0])
            await connection.execute(together.values(judged_at=make.NOW, judged_version=last))
        told = await store.judged(run_model.Judged(last, uuid.UUID(int=0)), 500)
        for since in (0, max(before, 1)):
            mine = [run for ns, _, run in await store.summaries(since) if ns == stage.namespaces[0]]
            assert mine == [told[-1].run]
        await store.close()


CHANGES = st.lists(
    st.sampled_from(("open", "deliver", "fail", "retry", "delete", "fold")), min_size=1, max_size=30
)  # fmt: skip


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=CHANGES, data=st.data())
def test_counts_of_deliveries_are_those_of_the_rows(server, changes, data) -> None:
    picks = [data.draw(st.integers(0, 5)) for _ in changes]
    asyncio.run(_counted(server.url, changes, picks))


async def _counted(url: str, changes: list[str], picks: list[int]) -> None:
    async with database.Database(url) as opened:
        store, ledger, attachment = run_store.Runs(opened), deliveries.Deliveries(opened), uuid.uuid4().hex[:8]
        sent: list[delivery_model.Delivery] = []
        for change, pick in zip(changes, picks, strict=True):
            one = sent[pick % len(sent)] if sent else None
            if change == "open":
                run = await store.open(make.a_run())
                sent.append(make.a_delivery(run, attachment))
                await make.decide(opened, make.a_verdict(run), [sent[-1]])
                await _renamed(opened, sent[-1], attachment)
            elif change == "fold":
                await ledger.fold(limit=2)
            elif one is not None:
                await _happens(opened, ledger, change, one)
                sent = [other for other in sent if change != "delete" or other is not one]
            assert await _naive(opened, attachment) == (await ledger.counts(attachment))[:3]
        await store.close()


async def _renamed(opened: database.Database, one: delivery_model.Delivery, attachment: str) -> None:
    mine = tables.deliveries.c.id == one.id
    async with opened.transaction() as connection:
        await connection.execute(sa.update(tables.deliveries).where(mine).values(attachment_uid=attachment))


async def _happens(
    opened: database.Database, ledger: deliveries.Deliveries, what: str, one: delivery_model.Delivery
) -> None:
    if what == "deliver":
        await ledger.delivered(one.id, make.NOW)
    elif what == "delete":
        async with opened.transaction() as connection:
            await connection.execute(sa.delete(tables.runs).where(tables.runs.c.id == one.run_id))
    else:
        await ledger.failed(one.id, "500", next_try=make.NOW if what == "retry" else None)


async def _naive(opened: database.Database, attachment: str) -> tuple[int, int, int]:
    mine = tables.deliveries.c
    query = (
        sa.select(mine.state, sa.func.count().label("number"))
        .where(mine.attachment_uid == attachment)
        .group_by(mine.state)
    )
    async with opened.transaction() as connection:
        found = {row.state: row.number for row in (await connection.execute(query)).all()}
    return found.get("pending", 0), found.get("delivered", 0), found.get("failed", 0)


async def test_the_newest_error_is_that_of_the_newest_change(opened: database.Database) -> None:
    store, ledger, attachment = run_store.Runs(opened), deliveries.Deliveries(opened), uuid.uuid4().hex
    sent = []
    for minute in (1, 2):
        run = await store.open(make.a_run())
        sent.append(make.a_delivery(run, attachment))
        await make.decide(opened, make.a_verdict(run), [sent[-1]])
        await _renamed(opened, sent[-1], attachment)
        await ledger.lease(deliverybounds.Capacity(1000, 1000, 1000), 60)
        at = make.NOW + datetime.timedelta(minutes=minute)
        async with opened.transaction() as connection:
            mine = tables.deliveries.c.id == sent[-1].id
            values_ = {"last_error": f"error {minute}", "changed_at": at}
            await connection.execute(sa.update(tables.deliveries).where(mine).values(**values_))
    assert (await ledger.counts(attachment))[3] == "error 2"
    await ledger.delivered(sent[0].id, make.NOW + datetime.timedelta(minutes=3))
    assert (await ledger.counts(attachment))[3] == ""
    await store.close()


async def test_the_workers_gauges_count_every_delivery(opened: database.Database) -> None:
    store, ledger, metrics = run_store.Runs(opened), deliveries.Deliveries(opened), workermetrics.Metrics()
    sent = []
    for _ in range(3):
        run = await store.open(make.a_run())
        sent.append(make.a_delivery(run, "gauged"))
        await make.decide(opened, make.a_verdict(run), [sent[-1]])
    await ledger.delivered(sent[0].id, make.NOW)
    await ledger.fold()
    await ledger.failed(sent[1].id, "500", next_try=None)
    await store.close()
    await metrics.look(opened)
    query = sa.select(tables.deliveries.c.state, sa.func.count().label("number")).group_by(tables.deliveries.c.state)
    async with opened.transaction() as connection:
        expected = {row.state: row.number for row in (await connection.execute(query)).all()}
    found = {
        state: metrics.registry.get_sample_value("avouch_deliveries", {"state": state})
        for state in ("pending", "delivered", "failed")
    }
    assert found == expected
    assert min(expected.values()) >= 1


async def test_a_namespace_made_anew_shows_its_own_runs_only(opened: database.Database) -> None:
    stage = Stage(opened, [Row(0, "build", "Passed", "cli", {}), Row(2, "build", "Passed", "cli", {})])
    await stage.write()
    shown = views.RunViews(opened)
    assert await shown.view(stage.namespaces[0], stage.names[0]) is not None
    assert await shown.view(stage.namespaces[0], stage.names[1]) is None


async def test_a_namespace_is_known_as_soon_as_it_has_a_run(opened: database.Database) -> None:
    store, namespace = run_store.Runs(opened), f"new-{uuid.uuid4()}"
    run = await store.open(make.a_run(namespace))
    await store.close()
    assert await views.RunViews(opened).view(namespace, run.name) is not None


async def test_what_cannot_be_filtered_by_is_refused(opened: database.Database) -> None:
    with pytest.raises(errors.Invalid, match="cannot filter by colour"):
        await views.RunViews(opened).page(None, limit=1, after="", filters={"colour": "red"})
    with pytest.raises(errors.Invalid, match="cannot be selected by another commit"):
        await views.RunViews(opened).page(None, limit=1, after="", filters={"commit": selectors.Not(frozenset("a"))})


async def test_what_a_verdict_signed_is_read_as_it_was_stored(opened: database.Database) -> None:
    store, shown, run = run_store.Runs(opened), views.RunViews(opened), make.a_run()
    await store.open(run)
    assert await shown.signed(run.namespace, run.name, "statement") is None
    await make.decide(opened, make.a_verdict(run), ())
    await store.close()
    found = [await shown.signed(run.namespace, run.name, name) for name in ("attestation", "statement", "vsa")]
    attestation, vsa = make.documents()
    assert found == [attestation.bundle, attestation.statement, vsa.bundle]


async def test_changes_after_a_version_are_those_that_match_in_the_order_of_their_versions(
    opened: database.Database,
) -> None:
    rows = [
        Row(number % 3, WORKFLOWS[number % 2], RESULTS[number % 2], EVIDENCE[number % 2], {"app": "shop"})
        for number in range(12)
    ]
    stage = Stage(opened, rows)
    await stage.write()
    async with opened.snapshot() as connection:
        first = (await connection.execute(sa.select(sa.func.min(tables.runs.c.resource_version)))).scalar_one()

        async def names(since: int, limit: int, namespace: str | None, **filters: Any) -> list[str]:
            query = runqueries.changed(since, limit, namespace, filters)
            return [row.name for row in (await connection.execute(query)).all()]

        for filters in ({}, {"workflow": WORKFLOWS[0]}, {"verdict": RESULTS[1]}, {"evidence": EVIDENCE[0]},
                        {"labels": selectors.labels(f"only={WORKFLOWS[1]}")}, {"name": stage.names[4]}):  # fmt: skip
            for since in (0, first, first + 5):
                for place in (None, 0, 1):
                    places = (0, 1) if place is None else (place,)
                    matching = [
                        name
                        for number, (row, name) in enumerate(zip(rows, stage.names, strict=True))
                        if row.place in places and first + number > since and _matches(row, name, filters)
                    ]
                    namespace = None if place is None else stage.namespaces[place]
                    assert await names(since, 100, namespace, **filters) == matching
                    assert await names(since, 2, namespace, **filters) == matching[:2]


async def test_a_run_is_found_by_its_name_beside_others(opened: database.Database) -> None:
    rows = [Row(place, "build", "Passed", "cli", {}) for place in (0, 0, 1)]
    stage, shown = Stage(opened, rows), views.RunViews(opened)
    await stage.write()
    for number in (0, 1):
        found = await shown.view(stage.namespaces[0], stage.names[number])
        assert found is not None
        assert found["name"] == stage.names[number]
        assert await stage.listed(stage.namespaces[0], {"name": stage.names[number]}, 10) == [
            (stage.namespaces[0], stage.names[number])
        ]
    assert await shown.view(stage.namespaces[1], stage.names[0]) is None


async def test_runs_with_the_same_value_of_another_label_are_not_found(opened: database.Database) -> None:
    own: tuple[dict[str, str], ...] = ({"branch": "x"}, {"stage": "x"}, {"branch": "y"})
    rows = [Row(0, "build", "Passed", "cli", {}, each) for each in own]
    stage = Stage(opened, rows)
    await stage.write()
    for number, label in enumerate(("branch=x", "stage=x", "branch=y")):
        found = await stage.listed(stage.namespaces[0], {"labels": selectors.labels(label)}, 10)
        assert found == [(stage.namespaces[0], stage.names[number])]


@pytest.mark.parametrize("key", [{"digest": DIGESTS[1]}, {"commit": COMMITS[1]}])
async def test_of_runs_that_have_a_key_those_are_listed_that_have_all_else(
    opened: database.Database, key: dict[str, str]
) -> None:
    found = [(result, workflow) for result in ("Passed", "Failed") for workflow in WORKFLOWS[:2]]
    stage = Stage(opened, [Row(0, workflow, result, "cli", {}, **key) for result, workflow in found])
    await stage.write()
    for limit in (1, 2, 4):
        for filters in (
            {"verdict": "Failed"},
            {"workflow": WORKFLOWS[1]},
            {"verdict": "Passed", "workflow": WORKFLOWS[0]},
        ):
            for place in (stage.namespaces[0], None):
                listed = await stage.listed(place, {**key, **filters}, limit)
                assert listed == stage.expected((0, 1), {**key, **filters})


async def test_runs_are_found_by_what_the_fewest_have_of_its_key(opened: database.Database) -> None:
    own = ({"stage": "x"}, {"stage": "x"}, {"branch": "x", "team": "y"}, {"team": "y"})
    stage = Stage(opened, [Row(0, "build", "Passed", "cli", {}, each) for each in own])
    await stage.write()
    keys = [runqueries._Key(f"{runqueries.LABEL}{key}", (value,)) for key, value in (("team", "y"), ("branch", "x"))]
    async with opened.snapshot() as connection:
        assert await runqueries._rarest(connection, stage.namespaces[0], keys) == keys[1]


@pytest.mark.parametrize("filters", [{}, {"labels": selectors.labels("app=shop")}, {"verdict": "Passed"}])
async def test_pages_over_all_namespaces_go_on_where_the_one_before_ended(
    opened: database.Database, filters: selectors.Filters
) -> None:
    rows = [Row(number % 3, WORKFLOWS[number % 9], "Passed", "cli", LABELS[number % 5 == 0]) for number in range(30)]
    stage = Stage(opened, rows)
    await stage.write()
    for limit in (1, 2, 3, 4, 100):
        assert await stage.listed(None, filters, limit) == stage.expected((0, 1), filters)


async def test_only_labels_of_few_workflows_are_looked_up_workflow_by_workflow(
    opened: database.Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Eight Workflows have runs; two, three and one of them have some with these labels."""
    labels = [{"two": "x"}] * 2 + [{"three": "x"}] * 3 + [{}] * 3
    rows = [Row(0, WORKFLOWS[number], "Passed", "cli", said) for number, said in enumerate(labels)]
    stage = Stage(opened, [*rows, Row(1, "build", "Passed", "cli", {"theirs": "x"})])
    await stage.write()
    here, there = stage.namespaces[:2]

    async def way(namespace: str | None, labels: str = "", **filters: Any) -> str:
        asked = {**filters, **({"labels": selectors.labels(labels)} if labels else {})}
        async with opened.snapshot() as connection:
            query = await runqueries.page(connection, namespace, asked, None, 10)
            if query is None:
                return "none"
            assert (await connection.execute(query)).all()
            text = str(query)
            return ("by workflow" if "run_labels" in text else "by namespace") if "LATERAL" in text else "by name"

    assert await way(here) == await way(here, workflow=WORKFLOWS[0]) == "by name"
    assert await way(None) == await way(None, workflow=WORKFLOWS[0]) == "by namespace"
    assert await way(here, labels="two=x") == await way(None, labels="two=x") == "by workflow"
    assert await way(here, labels="three=x") == "by name"
    assert await way(here, labels="two=x", workflow=WORKFLOWS[0]) == "by name"
    assert await way(here, labels="theirs=x") == await way(there, labels="two=x") == "none"
    assert await way(None, labels="nobody=x") == await way("nowhere") == "none"
    monkeypatch.setattr(runqueries, "_FEW", 2)
    assert await way(here, labels="two=x") == "by workflow"
    monkeypatch.setattr(runqueries, "_FEW", 1)
    assert await way(here, labels="two=x") == "by name"
    assert await way(here, labels=f"only={WORKFLOWS[7]}") == "by workflow"


async def test_a_list_shows_what_only_external_and_judged_runs_have(opened: database.Database) -> None:
    store, outside = run_store.Runs(opened), external_runs.ExternalRuns(opened)
    run, part = crafted(namespace="team-a")
    assert await outside.open(run, part, mark_latest=True)
    waiting, other = [await store.open(make.a_run("team-a")) for _ in range(2)]
    missing = verdicts.Finding("MaterialMissing", "sbom is missing", fix="add it")
    signed = make.a_verdict(other, verdicts.VerdictResult.FAILED)
    findings = (missing, verdicts.Finding("MaterialContradicted", "another"))
    await make.decide(opened, replace(signed, verdict=replace(signed.verdict, findings=findings)), [])
    await store.close()
    page, _, _ = await views.RunViews(opened).page("team-a", limit=10, after="", filters={}, whole=False)
    found = {document["name"]: document for document in page}
    assert len(page) == len(found) == 3
    shown = ("attester", "runner", "version", "organization", "expiresAt")
    assert {key: found[run.name][key] for key in shown} == {
        "attester": {"type": part.attester.type, "id": part.attester.id},
        "runner": {"type": "GITHUB_ACTION", "environment": "unknown"},
        "version": "v1", "organization": "acme", "expiresAt": rfc3339.to_seconds(part.expires_at),
    }  # fmt: skip
    assert not set(shown) & (found[waiting.name].keys() | found[other.name].keys())
    assert [(found[one.name]["reason"], found[one.name]["materialsFound"]) for one in (waiting, other)] == [
        ("", 0), ("MaterialMissing", 1),
    ]  # fmt: skip


async def test_a_signed_document_is_that_of_the_run_that_is_asked_for(opened: database.Database) -> None:
    store, shown = run_store.Runs(opened), views.RunViews(opened)
    mine, other = [await store.open(make.a_run("team-a")) for _ in range(2)]
    await store.close()
    for run in (other, mine):
        signed = make.a_verdict(run)
        own = tuple(replace(one, bundle=one.bundle + f" {run.id}".encode()) for one in signed.documents)
        await make.decide(opened, replace(signed, documents=own), [])
    for run in (mine, other):
        for kind in ("attestation", "vsa"):
            found = await shown.signed("team-a", run.name, kind)
            assert found is not None
            assert found.endswith(str(run.id).encode())


async def test_what_jobs_signed_is_listed_as_it_came_and_read_as_it_was_received(opened: database.Database) -> None:
    store, shown, run, other = run_store.Runs(opened), views.RunViews(opened), make.a_run(), make.a_run()
    for each in (run, other):
        await store.open(each)
    later = make.NOW + datetime.timedelta(seconds=1)
    second, first = make.a_claim(run, b"second", received_at=later), make.a_claim(run, b"first", pod="builder")
    for claim in (second, first):
        await store.accept(claim)
    await store.close()
    listed = await shown.claims(run.namespace, run.name)
    assert listed == [
        {
            "digest": str(first.digest),
            "size": 5,
            "taskRun": "tr",
            "pod": "builder",
            "receivedAt": "2026-01-02T03:04:05Z",
        },
        {"digest": str(second.digest), "size": 6, "taskRun": "tr", "receivedAt": "2026-01-02T03:04:06Z"},
    ]
    assert await shown.claim(run.namespace, run.name, first.digest) == b"first"
    assert await shown.claim(run.namespace, other.name, first.digest) is None
    assert await shown.claims(run.namespace, other.name) == []
    assert await shown.claims(run.namespace, "nobody") is None
