"""What was acknowledged is never lost: the real server killed at every bad moment, the real database restarted."""

import concurrent.futures
import http.client
import json
import uuid
from collections.abc import Iterator

import psycopg
import pytest

from avouch import digests
from tests.api import shop as shops
from tests.api.load import Grip, Load
from tests.api.served import Answer, Served, until
from tests.api.shop import Pod, Shop, rows, waiting
from tests.postgres import Postgres

pytestmark = [pytest.mark.apiserver, pytest.mark.postgres]

KILLS = 20
MiB = 1024 * 1024  # a full queue may take 256 of them: the chart gives the server 512
LATER = (429, 503)

# COMMIT itself waits for the test: a deferred trigger runs when COMMIT has arrived and nothing is durable yet.
SLOW_COMMIT = """
CREATE FUNCTION avouch.wait_for_the_test() RETURNS trigger LANGUAGE plpgsql
  AS 'BEGIN PERFORM pg_advisory_xact_lock_shared(4242); RETURN NULL; END';
CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON avouch.claims DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW EXECUTE FUNCTION avouch.wait_for_the_test()
"""
COMMITTING = "%"  # whatever waits then: a COMMIT, or a statement that is its own
QUICK_COMMIT = "DROP TRIGGER slow ON avouch.claims; DROP FUNCTION avouch.wait_for_the_test()"


@pytest.fixture(scope="module")
def database(shop: Shop) -> Iterator[Postgres]:
    """One that is killed, too."""
    with Postgres() as postgres:
        shops.prepare(postgres, shop)
        yield postgres


@pytest.fixture(scope="module")
def replicas(
    shop: Shop, database: Postgres, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Served, Served]]:
    quiet = {"AVOUCH_AGGREGATED_API": "false", "AVOUCH_LOG_LEVEL": "ERROR"}
    first = Served(shop.api, database, tmp_path_factory.mktemp("first"), **quiet)
    with first, Served(shop.api, database, tmp_path_factory.mktemp("second"), first, **quiet) as second:
        yield first, second


@pytest.fixture
def execution(shop: Shop, replicas: tuple[Served, Served]) -> tuple[Pod, str]:
    return executed(shop, replicas[0], f"kills-{uuid.uuid4()}")


def executed(shop: Shop, server: Served, name: str) -> tuple[Pod, str]:
    """A pod of a new TaskRun, and its run."""
    shop.taskrun(name)
    pod = shop.pod(name)
    return pod, server.open_run(pod)


def change(database: Postgres, statements: str) -> None:
    with psycopg.connect(database.url, autocommit=True) as connection:
        connection.execute(statements)  # type: ignore[call-overload]  # a literal of the test


def connections(database: Postgres) -> int:
    return int(rows(database, "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'avouch'")[0][0])


def stored(database: Postgres, run: str) -> tuple[list[str], int]:
    """The ids of a run's claims, and how many judging jobs it has."""
    claims = rows(database, "SELECT id::text FROM claims WHERE run_id = %s", run)
    jobs = rows(database, "SELECT count(*) FROM procrastinate_jobs WHERE args->>'run_id' = %s", run)
    return [claim for (claim,) in claims], jobs[0][0]


def killed_while(database: Postgres, server: Served, take: str, query: str, push: tuple[Pod, str, bytes]) -> None:
    """Push, wait until the database has to wait within `query`, kill the server, and only then let go."""
    with concurrent.futures.ThreadPoolExecutor(1) as aside:
        with Grip(database, take):
            answer = aside.submit(server.push, *push)
            until(lambda: waiting(database, query), "the push reached the database")
            server.kill()
        with pytest.raises((OSError, http.client.HTTPException)):
            answer.result(20)


def test_killed_while_its_statement_waits_a_claim_is_whole_or_absent_and_a_resend_is_accepted(
    database: Postgres, replicas: tuple[Served, Served], execution: tuple[Pod, str]
) -> None:
    server, (pod, run) = replicas[0], execution
    content, statement = server.claim(pod, run), "%INSERT INTO claims%"
    others = connections(database)
    killed_while(database, server, "LOCK TABLE claims IN SHARE MODE", statement, (pod, run, content))
    until(lambda: connections(database) < others and not waiting(database, statement), "the server's sessions ended")
    claims, jobs = stored(database, run)  # whether what had been sent still counts is the database's choice
    assert (len(claims), jobs) in ((0, 0), (1, 1))
    server.start()
    server.wait()
    first, second = server.push(pod, run, content), server.push(pod, run, content)
    assert (first.status, second.status, first.body["id"]) == (200 if claims else 201, 200, second.body["id"])
    assert stored(database, run) == ([first.body["id"]], 1)


def test_killed_between_verify_and_its_statement_nothing_is_stored_and_a_resend_is_accepted(
    database: Postgres, replicas: tuple[Served, Served], execution: tuple[Pod, str]
) -> None:
    server, (pod, run) = replicas[0], execution
    content = server.claim(pod, run)
    blocked = [server.claim(pod, run) for _ in range(2)]  # one for each committer, so that the third only waits
    with concurrent.futures.ThreadPoolExecutor(3) as aside:
        with Grip(database, "LOCK TABLE claims IN SHARE MODE"):
            answers = []
            for count, one in enumerate(blocked, 1):
                answers.append(aside.submit(server.push, pod, run, one))
                until(lambda count=count: waiting(database, "%INSERT INTO claims%", count), "a committer waits")
            answers.append(aside.submit(server.push, pod, run, content))
            until(
                lambda: "avouch_pushes_waiting 3.0" in server.health("/metrics")[1], "verified, and waits for its turn"
            )
            server.kill()
        for answer in answers:
            with pytest.raises((OSError, http.client.HTTPException)):
                answer.result(20)
    server.start()
    server.wait()
    digest = str(digests.of_bytes(content))
    assert rows(database, "SELECT 1 FROM claims WHERE digest = %s", digest) == []
    assert [server.push(pod, run, content).status for _ in range(2)] == [201, 200]


def test_killed_after_commit_before_the_answer_a_resend_is_200_with_the_id_that_was_stored(
    database: Postgres, replicas: tuple[Served, Served], execution: tuple[Pod, str]
) -> None:
    server, (pod, run) = replicas[0], execution
    content = server.claim(pod, run)
    change(database, SLOW_COMMIT)
    killed_while(database, server, "SELECT pg_advisory_lock(4242)", COMMITTING, (pod, run, content))
    until(lambda: stored(database, run)[0], "the COMMIT that had arrived was carried out")
    change(database, QUICK_COMMIT)
    (claim,), jobs = stored(database, run)
    server.start()
    server.wait()
    answer = server.push(pod, run, content)
    assert (answer.status, answer.body["id"], jobs) == (200, claim, 1)
    assert stored(database, run) == ([claim], 1)


def test_twenty_kills_under_load_lose_nothing_that_was_acknowledged_and_store_nothing_twice(
    shop: Shop, database: Postgres, replicas: tuple[Served, Served]
) -> None:
    executions = [executed(shop, replicas[0], f"under-load-{n}") for n in range(3)]
    with Load(replicas, executions) as load:
        for turn in range(KILLS):
            victim, before = replicas[turn % 2], len(load.acknowledged)
            victim.wait()
            until(lambda before=before: len(load.acknowledged) > before or load.problems, "clients get on")
            victim.kill()
            victim.start()
        for server in replicas:
            server.wait()
    load.check(database)
    assert load.broken >= KILLS / 2, "the kills hit nobody"


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_a_database_restarted_under_load_is_503_with_retry_after_and_then_all_goes_on(
    shop: Shop, database: Postgres, replicas: tuple[Served, Served], how: str
) -> None:
    server = replicas[0]
    pids = [replica.process.pid for replica in replicas]
    with Load([server], [executed(shop, server, f"restart-{how}")]) as load:
        until(lambda: len(load.acknowledged) >= 5, "clients get on")
        getattr(database, how)()
        until(lambda: load.busy >= 3, "clients are told")
        down, alive = server.health("/readyz")[0], server.health("/healthz")[0]
        database.start()
        before = len(load.acknowledged)
        until(lambda: len(load.acknowledged) >= before + 5, "clients get on again")
    load.check(database)
    assert (down, alive, load.broken) == (503, 200, 0)
    assert load.slowest < 10
    assert pids == [replica.process.pid for replica in replicas]
    replicas[1].wait()


def test_a_full_queue_is_429_with_retry_after_and_takes_more_as_soon_as_it_can(
    database: Postgres, replicas: tuple[Served, Served], execution: tuple[Pod, str]
) -> None:
    server, (pod, run) = replicas[0], execution
    content = large(server, pod, run)
    answers: list[Answer] = []

    def push_again_and_again() -> None:
        while not any(answer.status == 429 for answer in answers):
            answers.append(server.push(pod, run, content))

    server.reset_memory()
    before = server.memory()
    with concurrent.futures.ThreadPoolExecutor(40) as clients, Grip(database, "LOCK TABLE claims IN SHARE MODE"):
        pushes = [clients.submit(push_again_and_again) for _ in range(40)]
        until(lambda: any(answer.status == 429 for answer in answers), "the queue is full")
    for push in pushes:
        push.result()
    grown = (server.memory(since_reset=True) - before) // MiB
    assert grown < 256, f"{grown} MiB for {len(answers)} pushes of {len(content) // MiB} MiB"
    assert {answer.status for answer in answers} <= {200, 201, 429, 503}
    assert all(answer.headers.get("retry-after") for answer in answers if answer.status in LATER)
    assert server.push(pod, run, content).status in (200, 201)
    assert len(stored(database, run)[0]) == 1


def large(server: Served, pod: Pod, run: str) -> bytes:
    """A bundle near the largest that is taken, so that few fill the queue."""
    bundle = json.loads(server.claim(pod, run))
    return json.dumps(bundle | {"filler": "x" * 3_900_000}).encode()
