"""How the cost of lists and of everything periodic grows with the runs that are stored.

A real PostgreSQL is filled with 10^4, 10^5 and 10^6 runs (set-wise, by SQL): 20 Workflows, 80 % of the runs in one
namespace, one run in twelve Failed and one in a thousand Rejected, each with its plan, verdict, payload, delivery and
artifact. At each size every query is asked through the code that the product runs. Of its answers: the least time on
the wall, and CPU of PostgreSQL and of this process for one answer, which other work on the machine disturbs less.

`--before` also times the statements of 0.4, before lists began with the namespace's uid. `--quick` fills 3,000 runs and
only compares each answer with that of a naive query.

Run: python -m bench.growth [--sizes 10000 100000 1000000] [--before] [--quick]
"""

import argparse
import asyncio
import base64
import hashlib
import json
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg

from avouch.controlplane.model import deliverybounds, selectors
from avouch.controlplane.model import quotas as quota_model
from avouch.controlplane.model import replays as replay_model
from avouch.processes import workermetrics
from avouch.store import (
    artifacts,
    database,
    deliveries,
    jobs,
    migrate,
    quotas,
    reevaluations,
    replays,
    retention,
    runqueries,
    runs,
    versions,
    views,
)
from bench import measure
from tests.postgres import Postgres, running

SHOP = "shop"
LAST_OF_NAMESPACE = "release-f"  # names are made of hexadecimal digests: 94 % lie before this one
GOAL_RATIO, GOAL_MS, NOISE_MS = 1.5, 50.0, 3.0
BATCH = 100_000
QUICK = 3_000

_PLAN = json.dumps(
    {
        "workflow": "release",
        "contract": {"name": "evidence", "revision": 3, "digest": "sha256:" + "a" * 64},
        "materials": [
            {"name": f"report-{n}", "type": "SARIF", "task": "build", "source": {"result": f"report-{n}-path"}}
            for n in range(6)
        ],
    }
)
_MATERIALS = json.dumps(
    [{"name": f"report-{n}", "type": "SARIF", "digest": "sha256:" + f"{n}" * 64, "origin": "taskrun"} for n in range(6)]
    + [{"name": "image", "type": "CONTAINER_IMAGE", "digest": "sha256:" + "b" * 64, "origin": "taskrun"}]
)
_FINDINGS = json.dumps([{"code": "MaterialMissing", "message": "report-1 is missing", "line": "materials[1]"}])
_AT = "now() - (10000000 - i) * interval '1 second'"
_SERIES = "generate_series(%(first)s::int, %(last)s::int) i"
_NS = "CASE WHEN i %% 20 < 16 THEN 'shop' ELSE 'team-' || (i %% 20) END"
_RESULT = "CASE WHEN i %% 1000 = 0 THEN 'Rejected' WHEN i %% 12 = 0 THEN 'Failed' ELSE 'Passed' END"
COUNTED = b"SELECT count(*) FROM deliveries WHERE attachment_uid = 'hook-0'"
FILL = (
    f"""INSERT INTO runs SELECT md5('r' || i)::uuid, 'release-' || md5('n' || i), 'workflow-' || (i %% 20),
        'subject-' || i, {_NS}, {_NS} || '-uid', 'release-' || (i %% 20), 'TaskRun', 'build-' || i, 'evidence', 3,
        'sha256:' || repeat('a', 64), %(plan)s, {_AT}, {_RESULT},
        'taskrun', {_AT}, {_AT}, jsonb_build_object('app', 'shop', 'workflow', 'release-' || (i %% 20)),
        i * 3, i * 3 - 2, i * 3 FROM {_SERIES}""",
    f"""INSERT INTO verdicts (run_id, findings, materials, annotations, env) SELECT md5('r' || i)::uuid,
        CASE WHEN i %% 12 = 0 THEN %(findings)s::jsonb ELSE '[]' END, %(materials)s,
        jsonb_build_object('commit', lpad(to_hex(i), 40, '0')), '{{}}' FROM {_SERIES}""",
    f"""INSERT INTO verdict_documents (run_id, kind, predicate_type, digest, bundle)
        SELECT md5('r' || i)::uuid, kind, kind, 'sha256:x', ('{{"s": "' || repeat('s', 1390) || '"}}')::bytea
        FROM {_SERIES}, unnest(ARRAY['attestation', 'vsa']) kind""",
    f"INSERT INTO payloads SELECT md5('r' || i)::uuid, 'sha256:p', repeat('p', 600)::bytea FROM {_SERIES}",
    f"""INSERT INTO deliveries (id, run_id, payload_digest, attachment_uid, attachment, namespace, type, config, state,
        attempts, changed_at) SELECT md5('d' || i)::uuid, md5('r' || i)::uuid, 'sha256:p', 'hook-' || (i %% 20) / 16,
        'hook', 'shop', 'webhook', '{{"url": "https://x.example/"}}', 'delivered', 1, {_AT} FROM {_SERIES}""",
    f"""INSERT INTO artifacts (digest, namespace_uid, backend_uid, size, stored_at, used_at)
        SELECT 'sha256:' || md5('x' || i) || md5('y' || i), {_NS} || '-uid', 'built-in', 100,
        now() - interval '3 days', now() - interval '3 days' FROM {_SERIES}""",
    f"""INSERT INTO run_artifacts SELECT md5('r' || i)::uuid, 'sha256:' || md5('x' || i) || md5('y' || i),
        {_NS} || '-uid' FROM {_SERIES}""",
    "DELETE FROM artifact_checks",  # those of days ago were looked at days ago
    "UPDATE versions SET value = %(last)s * 3",
)
# What 0.5 did not have: labels of builds.
OWN = (
    f"""UPDATE runs SET own_labels = jsonb_build_object('branch', 'main', 'build', i::text) FROM {_SERIES}
        WHERE id = md5('r' || i)::uuid""",
    f"""INSERT INTO run_keys SELECT {_NS} || '-uid', k.key, k.value, 'release-' || md5('n' || i), md5('r' || i)::uuid
        FROM {_SERIES}, LATERAL (VALUES ('label:branch', 'main'), ('label:build', i::text)) k (key, value)""",
)
WORKFLOWS = """INSERT INTO workflows SELECT 'shop', 'release-' || i, 'shop-uid', 'workflow-' || i, 1,
    '{"retention": {"runs": "876000h"}}', '{}', 'shop', 'evidence' FROM generate_series(0, 15) i"""

# As 0.4 asked.
_PRESENT = """FROM runs LEFT JOIN namespaces n ON n.name = runs.namespace LEFT JOIN verdicts v ON v.run_id = runs.id
    LEFT JOIN outside_runs x ON x.run_id = runs.id WHERE runs.namespace_uid = coalesce(n.uid, runs.namespace_uid)"""
_LISTED = f"SELECT runs.*, v.materials, x.attester {_PRESENT} AND runs.namespace = 'shop'"
_IN_ORDER = "ORDER BY runs.namespace, runs.name LIMIT 501"
_CHANGED = replay_model.Asked(SHOP, f"{SHOP}-uid", "evidence", 4, datetime(2026, 1, 1, tzinfo=UTC))
_ROOM = deliverybounds.Capacity(total=32, namespace=32, attachment=8)  # what a worker may begin


def before(what: str) -> str:
    """A list's statement."""
    return f"{_LISTED} {what} {_IN_ORDER}"


@dataclass(frozen=True, slots=True)
class Query:
    """One thing that is asked: how, how 0.4 asked it, and what it has to hold to."""

    name: str
    ask: Callable[[], Awaitable[Any]]
    before: str = ""
    periodic: bool = False


@dataclass(slots=True)
class Taken:
    """What one answer took, in milliseconds."""

    wall: float
    database: float
    ours: float
    periodic: bool = False


@dataclass(slots=True)
class Probe:
    """CPU time of PostgreSQL's processes and of our own."""

    folder: Path

    def take(self) -> tuple[float, float, float]:
        """(wall, PostgreSQL, ours) in seconds, since whenever."""
        spent = 0
        for pid in _family(int((self.folder / "postmaster.pid").read_text().split()[0])):
            try:
                spent += int(Path(f"/proc/{pid}/schedstat").read_text().split()[0])
            except (FileNotFoundError, ProcessLookupError):
                continue  # a worker process that has ended
        return time.perf_counter(), spent / 1e9, time.process_time()


def _family(root: int) -> set[int]:
    return {root, *map(int, Path(f"/proc/{root}/task/{root}/children").read_text().split())}


def fill(connection: "psycopg.Connection[Any]", first: int, last: int) -> None:
    """Runs `first` to `last`."""
    facts = {"first": first, "last": last, "plan": _PLAN, "materials": _MATERIALS, "findings": _FINDINGS}
    for statement in (*FILL, *OWN):
        connection.execute(statement, facts)


def queries(opened: database.Database, size: int) -> Sequence[Query]:
    """All of them, at this size."""
    shown, stored, ledger = views.RunViews(opened), runs.Runs(opened), deliveries.Deliveries(opened)
    kept, known, metrics = retention.Retention(opened), artifacts.Artifacts(opened), workermetrics.Metrics()
    newest = size * 3
    near_end = base64.urlsafe_b64encode(json.dumps([newest, SHOP, LAST_OF_NAMESPACE]).encode()).decode()
    all_near_end = base64.urlsafe_b64encode(json.dumps([newest, "team-19", "release-8"]).encode()).decode()
    not_passed = selectors.Not(frozenset({"Passed"}))
    policy = retention.Policy("workflow-1", "shop-uid", timedelta(days=100_000), 1)

    def page(
        namespace: str | None = SHOP, after: str = "", whole: bool = False, limit: int = 500, **filters: Any
    ) -> Any:
        return lambda: shown.page(namespace, limit=limit, after=after, filters=filters, whole=whole)

    async def changes() -> Any:
        async with opened.snapshot() as connection:
            return (await connection.execute(runqueries.changed(newest - 30, 200))).all()

    async def used() -> Any:
        async with opened.transaction() as connection:
            return await quotas.artifacts(connection, SHOP, f"{SHOP}-uid", quota_model.Quotas())

    async def quiet() -> Any:
        async with opened.statements() as connection:
            return await versions.window(connection)

    return (
        Query("list, first 500", page(), before("")),
        Query("list, 500 near the end", page(after=near_end), before(f"AND runs.name > '{LAST_OF_NAMESPACE}'")),
        Query("list, 100 whole documents", page(whole=True)),
        Query("list, one Workflow", page(workflow="release-3"), before("AND runs.workflow = 'release-3'")),
        Query("list, a Workflow nobody has", page(workflow="x"), before("AND runs.workflow = 'x'")),
        Query("list, verdict=Failed", page(verdict="Failed"), before("AND runs.result = 'Failed'")),
        Query("list, the first 5 Rejected", page(limit=5, verdict="Rejected"), before("AND runs.result = 'Rejected'")),
        Query("list, verdict=Passed", page(verdict="Passed"), before("AND runs.result = 'Passed'")),
        Query("list, a verdict nobody has", page(verdict="Error"), before("AND runs.result = 'Error'")),
        Query("list, evidence nobody has", page(evidence="missing"), before("AND runs.evidence = 'missing'")),
        Query(
            "list, a label all have",
            page(labels=selectors.labels("app=shop")),
            before("""AND runs.labels @> '{"app": "shop"}'"""),
        ),
        Query(
            "list, a label of one Workflow",
            page(labels=selectors.labels("workflow=release-3")),
            before("""AND runs.labels @> '{"workflow": "release-3"}'"""),
        ),
        Query(
            "list, a label nobody has",
            page(labels=selectors.labels("app=x")),
            before("""AND runs.labels @> '{"app": "x"}'"""),
        ),
        Query("list, all but Passed", page(verdict=not_passed), before("AND runs.result <> 'Passed'")),
        Query("list, all but Failed", page(verdict=selectors.Not(frozenset({"Failed"})))),
        Query("list, one TaskRun", page(subject="build-5"), before("AND runs.subject_name = 'build-5'")),
        Query("list, a TaskRun nobody has", page(subject="x"), before("AND runs.subject_name = 'x'")),
        Query("list, a kind nobody has", page(kind="External"), before("AND runs.subject_kind = 'External'")),
        Query("list, an image all have", page(digest="sha256:" + "b" * 64)),
        Query("list, a commit of one run", page(commit=f"{5:040x}")),
        Query("list, a commit nobody has", page(commit="f" * 40)),
        Query("list, a label of builds that all have", page(labels=selectors.labels("branch=main"))),
        Query("list, a label of one build", page(labels=selectors.labels("build=5"))),
        Query("list, one build of a branch", page(labels=selectors.labels("branch=main,build=5,app=shop"))),
        Query("list, a label of builds that nobody has", page(labels=selectors.labels("build=none"))),
        Query("list of all namespaces, all but Passed", page(None, verdict=not_passed)),
        Query("list of all namespaces, a commit of one run", page(None, commit=f"{5:040x}")),
        Query("list of all namespaces, first 500", page(None)),
        Query("list of all namespaces, 200 near the end", page(None, all_near_end, limit=200)),
        Query("list of all namespaces, verdict=Failed", page(None, verdict="Failed")),
        Query("list of all namespaces, a verdict nobody has", page(None, verdict="Error")),
        Query("one run by name", lambda: shown.view(SHOP, "release-" + hashlib.md5(b"n5").hexdigest())),
        Query("watch: nothing new, for all watchers", quiet, periodic=True),
        Query("watch: ten new, for all watchers", changes, periodic=True),
        Query("summaries since ten runs ago", lambda: stored.summaries(newest - 30), periodic=True),
        Query(
            "summaries from the beginning",
            lambda: stored.summaries(0),
            "SELECT DISTINCT ON (namespace, workflow) * FROM runs WHERE judged_version > 0"
            " ORDER BY namespace, workflow, judged_version DESC",
            periodic=True,
        ),
        Query("what a namespace has stored", used),
        Query("counters of artifacts: none is due", quotas.Usage(opened).check, periodic=True),
        Query(
            "replays: the last runs of a Contract", lambda: replays.Replays(opened).runs(_CHANGED, replay_model.LAST)
        ),
        Query("replays: none is asked for", replays.Replays(opened).take, periodic=True),
        Query("replays: none is done", lambda: replays.Replays(opened).done(datetime.now(UTC)), periodic=True),
        Query("requests to judge runs again: none waits", reevaluations.Reevaluations(opened).take, periodic=True),
        Query("unfinished runs", lambda: stored.unfinished(500), periodic=True),
        Query(
            "counts of one attachment",
            lambda: ledger.counts("hook-0"),
            "SELECT state, count(*) FROM deliveries WHERE attachment_uid = 'hook-0' GROUP BY state",
            periodic=True,
        ),
        Query("counts folded", ledger.fold, periodic=True),
        Query(
            "the worker's gauges",
            lambda: metrics.look(opened),
            "SELECT state, count(*) FROM deliveries GROUP BY state",
            periodic=True,
        ),
        Query("deliveries due", lambda: ledger.lease(_ROOM, 90), periodic=True),
        Query("runs that nothing will judge", jobs.Jobs(opened).judge_forgotten, periodic=True),
        Query(
            "retention: policies",
            kept.policies,
            "SELECT DISTINCT workflow_uid, namespace_uid, namespace FROM runs WHERE judged_at IS NOT NULL",
            periodic=True,
        ),
        Query("retention: nothing is old enough", lambda: kept.expire(policy, datetime.now(UTC)), periodic=True),
        Query(
            "garbage: nothing to look at",
            lambda: known.mark_garbage(timedelta(hours=24)),
            "SELECT digest FROM artifacts o WHERE used_at < now() - interval '24 hours' AND NOT EXISTS (SELECT FROM"
            " run_artifacts r WHERE (r.digest, r.namespace_uid) = (o.digest, o.namespace_uid)) LIMIT 500",
            periodic=True,
        ),
    )


async def timed(probe: Probe, ask: Callable[[], Awaitable[Any]], seconds: float) -> Taken:
    """Asked again and again for so long, three times at least."""
    await ask()
    walls: list[float] = []
    begun = probe.take()
    while len(walls) < 3 or (sum(walls) < seconds and len(walls) < 200):
        start = time.perf_counter()
        await ask()
        walls.append(time.perf_counter() - start)
    ended = probe.take()
    each = [(after - earlier) / len(walls) * 1e3 for earlier, after in zip(begun, ended, strict=True)]
    return Taken(min(walls) * 1e3, each[1], each[2])


async def at_size(probe: Probe, url: str, size: int, seconds: float) -> Mapping[str, Taken]:
    """What every query takes."""
    async with database.Database(url) as opened:
        found = {}
        for query in queries(opened, size):
            found[query.name] = await timed(probe, query.ask, seconds)
            found[query.name].periodic = query.periodic
        return found


async def as_before(probe: Probe, url: str, size: int) -> Mapping[str, Taken]:
    """What the statements of 0.4 take."""
    found = {}
    connection = await psycopg.AsyncConnection.connect(url, autocommit=True, options="-c search_path=avouch")
    async with connection, database.Database(url) as opened:
        for query in queries(opened, size):
            if query.before:

                async def ask(statement: str = query.before) -> Any:
                    return await (await connection.execute(statement.encode())).fetchall()

                found[query.name] = await timed(probe, ask, 0.2)
    return found


def report(sizes: Sequence[int], found: Sequence[Mapping[str, Taken]], earlier: Sequence[Mapping[str, Taken]]) -> bool:
    """The table; whether every goal holds."""
    header = ["query", *(f"{size:.0e}: wall ms" for size in sizes), "PG ms", "ours ms", "ratio", "before, wall ms", ""]
    rows, good = [], True
    for name in found[-1]:
        first, last = found[0][name], found[-1][name]
        ratio, more = _total(last) / _total(first), _total(last) - _total(first)
        holds = last.wall <= GOAL_MS if last.periodic else ratio <= GOAL_RATIO or more <= NOISE_MS
        good = good and holds
        old = " ".join(f"{taken[name].wall:.0f}" for taken in earlier if name in taken)
        walls = [f"{taken[name].wall:.1f}" for taken in found]
        rows.append([name, *walls, f"{last.database:.2f}", f"{last.ours:.2f}", f"{ratio:.2f}", old, _word(holds)])
    measure.table(header, rows)
    print(f"ratio: CPU of both, {sizes[-1]:.0e} / {sizes[0]:.0e}")
    print(f"a ratio over {GOAL_RATIO} of less than {NOISE_MS:.0f} ms is noise")
    print(f"goals: lists <= {GOAL_RATIO}, periodic queries <= {GOAL_MS:.0f} ms on the wall at the last size")
    return good


def _total(taken: Taken) -> float:
    return taken.database + taken.ours


def _word(holds: bool) -> str:
    return "" if holds else "NO"


async def compared(url: str, size: int) -> None:
    """Each answer is that of a naive query. Raises AssertionError."""
    connection = await psycopg.AsyncConnection.connect(url, autocommit=True, options="-c search_path=avouch")
    async with connection, database.Database(url) as opened:
        for query in queries(opened, size):
            answer = await query.ask()
            if not query.name.startswith("list") or not query.before:
                continue
            rows = await (await connection.execute(query.before.encode())).fetchall()
            limit = 5 if "first 5 " in query.name else 500
            assert [one["name"] for one in answer[0]] == [row[1] for row in rows[:limit]], query.name
            assert bool(answer[1]) == (len(rows) > limit), query.name
        counted = await (await connection.execute(COUNTED)).fetchone()
        assert counted is not None
        assert (await deliveries.Deliveries(opened).counts("hook-0"))[:3] == (0, counted[0], 0)
        last = await runs.Runs(opened).summaries(0)
        assert len(last) == 20
        assert len(await retention.Retention(opened).policies()) == 16
    print(f"{size} runs: every answer is that of a naive query")


def main() -> int:
    """Fill, measure, tell. Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--seconds", type=float, default=0.5, help="for each query at each size (%(default)s)")
    parser.add_argument("--before", action="store_true", help="also time the statements of 0.4")
    parser.add_argument("--quick", action="store_true", help="compare answers, measure nothing")
    options = parser.parse_args()
    print(measure.machine())
    with running() as server:
        url = server.socket_url
        migrate.migrate(url)
        with psycopg.connect(url, autocommit=True, options="-c search_path=avouch") as connection:
            connection.execute(WORKFLOWS.encode())
            return _run(connection, server, url, options)


def _run(connection: "psycopg.Connection[Any]", server: Postgres, url: str, options: argparse.Namespace) -> int:
    sizes = [QUICK] if options.quick else options.sizes
    found, earlier, done = [], [], 0
    probe = Probe(server.folder / "data" / "pgdata")
    for size in sizes:
        begun = time.monotonic()
        while done < size:
            following = min(done + BATCH, size)
            fill(connection, done + 1, following)
            done = following
        connection.execute("VACUUM ANALYZE")
        print(f"{size} runs, filled in {time.monotonic() - begun:.0f} s", flush=True)
        if options.quick:
            asyncio.run(compared(url, size))
            return 0
        found.append(asyncio.run(at_size(probe, url, size, options.seconds)))
        earlier.append(asyncio.run(as_before(probe, url, size)) if options.before else {})
    return 0 if report(sizes, found, earlier) else 1


if __name__ == "__main__":
    sys.exit(main())
