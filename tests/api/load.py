"""Clients that push distinct claims and send each again until it is acknowledged, whatever happens to the server."""

import http.client
import itertools
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import psycopg

from tests.api.served import Served
from tests.api.shop import Pod, rows
from tests.postgres import Postgres

BUSY = (429, 503)  # answers after which a client comes again


@dataclass
class Load:
    """Pushes from several threads to several replicas; every acknowledgement is kept, to be compared with the rows."""

    servers: Sequence[Served]
    pods: Sequence[tuple[Pod, str]]  # each with its run
    clients: int = 4
    acknowledged: dict[str, str] = field(default_factory=dict)  # digest -> id, as the first 2xx said
    problems: list[str] = field(default_factory=list)
    busy: int = 0  # answers that said "later"
    broken: int = 0  # pushes that were never answered
    slowest: float = 0.0  # seconds until an answer that said "later"

    def __post_init__(self) -> None:
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._client, args=(n,)) for n in range(self.clients)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        """Let every claim under way be acknowledged."""
        self._stop.set()
        for thread in self._threads:
            thread.join(60)
        assert not any(thread.is_alive() for thread in self._threads), "a claim is never acknowledged"
        assert self.problems == []

    def _client(self, number: int) -> None:
        try:
            for turn in itertools.count(number):
                if self._stop.is_set():
                    return
                pod, run = self.pods[turn % len(self.pods)]
                self._until_acknowledged(turn, pod, run)
        except Exception as exc:  # a thread that dies unseen would make the test pass
            self.problems.append(repr(exc))

    def _until_acknowledged(self, turn: int, pod: Pod, run: str) -> None:
        content = self.servers[0].claim(pod, run)
        for attempt in itertools.count(turn):
            if self._pushed(self.servers[attempt % len(self.servers)], pod, run, content):
                return
            time.sleep(0.02)  # as a client would, though shorter

    def _pushed(self, server: Served, pod: Pod, run: str, content: bytes) -> bool:
        asked = time.monotonic()
        try:
            answer = server.push(pod, run, content)
        except (OSError, http.client.HTTPException):  # the server is down, or went down before it answered
            self.broken += 1
            return False
        if answer.status in BUSY:
            if not answer.headers.get("retry-after", "").isdigit():
                self.problems.append(f"no Retry-After: {answer}")
            self.busy += 1
            self.slowest = max(self.slowest, time.monotonic() - asked)
            return False
        if answer.status not in (200, 201):
            self.problems.append(str(answer))
            return True
        self.acknowledged[str(answer.body["digest"])] = str(answer.body["id"])
        return True

    def check(self, postgres: Postgres) -> None:
        """Every acknowledged claim is stored once under the id that was told, and each run has one judging job."""
        runs = [run for _, run in self.pods]
        found = rows(postgres, "SELECT digest, id::text FROM claims WHERE run_id = ANY(%s::uuid[])", runs)
        assert len(found) == len(dict(found))
        assert dict(found) == self.acknowledged
        jobs = "SELECT args->>'run_id', count(*) FROM procrastinate_jobs WHERE task_name = 'judge' GROUP BY 1"
        assert {run: count for run, count in rows(postgres, jobs) if run in runs} == dict.fromkeys(runs, 1)


class Grip:
    """A connection of the test's own that holds what others wait for."""

    def __init__(self, postgres: Postgres, take: str) -> None:
        self._connection = psycopg.connect(postgres.url, options="-c search_path=avouch")
        self._connection.execute(take)  # type: ignore[arg-type]  # a literal of the test

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        self._connection.close()
