"""The real processes, kept running as a kubelet does, on a database that has no schema yet, or no longer."""

import contextlib
import os
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests import postgres
from tests.api.served import certified, free_port, until
from tests.api.test_controller import CONTRACT, ROOT, TEKTON, WORKFLOW
from tests.cluster.apiserver import ApiServer

pytestmark = [pytest.mark.apiserver, pytest.mark.postgres]

HEALED = 60.0  # seconds after the new database is there
PROCESSES = ("controller", "server", "worker", "migrator")
FOR_CI = """
apiVersion: avouch.dev/v1alpha1
kind: APIToken
metadata: {name: ci, namespace: team}
spec: {}
"""
RECORDED = (
    "SELECT w.name, r.revision FROM avouch.workflows w JOIN avouch.contract_revisions r ON r.name = w.contract_name"
    " JOIN avouch.namespaces n ON n.uid = w.namespace_uid AND n.uid = r.namespace_uid"
)


class Kept:
    """One process that is started again whenever it ends. `starts` counts."""

    def __init__(self, name: str, folder: Path, environment: dict[str, str]) -> None:
        self.name, self.starts = name, 0
        self.log = folder / f"{name}.log"
        self._health = free_port()
        said = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT / "operator"), "AVOUCH_HOST": "127.0.0.1"}
        self._environment = {**said, "AVOUCH_HEALTH_PORT": str(self._health), "POD_NAME": name, **environment}
        self._ending = False
        self._process = self._started()
        self._thread = threading.Thread(target=self._keep)
        self._thread.start()

    def _started(self) -> "subprocess.Popen[bytes]":
        self.starts += 1
        with self.log.open("ab") as log:
            command = [sys.executable, "-m", "avouch.processes.main", self.name]
            return subprocess.Popen(command, env=self._environment, stdout=log, stderr=log)

    def _keep(self) -> None:
        while True:
            self._process.wait()
            if self._ending:
                return
            self._process = self._started()

    def ready(self) -> bool:
        with contextlib.suppress(OSError):  # it starts
            with contextlib.suppress(urllib.error.HTTPError):
                return bool(urllib.request.urlopen(f"http://127.0.0.1:{self._health}/readyz", timeout=5).status == 200)
        return False

    def end(self) -> int:
        self._ending = True
        self._process.terminate()
        self._thread.join(30)
        return int(self._process.returncode)


class Install:
    """An API server with a Contract and a Workflow, a database that nobody migrated, and processes."""

    def __init__(self, api: ApiServer, database: postgres.Postgres, folder: Path) -> None:
        self.api, self.database, self.folder = api, database, folder
        self.kept: dict[str, Kept] = {}
        certified(folder)
        (folder / "ca/pods.crt").write_bytes((folder / "ca/ca.crt").read_bytes())
        (folder / "ca/serving.crt").write_bytes((folder / "ca/ca.crt").read_bytes())
        for name in ("attestation", "passed", "failed"):
            (folder / f"{name}.pem").write_bytes(
                ec.generate_private_key(ec.SECP256R1()).private_bytes(
                    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
                )
            )

    def start(self, name: str) -> None:
        own = {
            "controller": {"AVOUCH_CERTIFICATES": "false"},
            "server": {
                "AVOUCH_TLS_DIR": str(self.folder / "tls"),
                "AVOUCH_CA_DIR": str(self.folder / "ca"),
                **{f"AVOUCH_{each}PORT": str(free_port()) for each in ("", "RUNS_", "ADMISSION_")},
            },
            "worker": {
                "AVOUCH_VERIFIER_ID": "https://v.example.com",
                "AVOUCH_KEYS_DIR": str(self.folder),
                "AVOUCH_CA_DIR": str(self.folder / "ca"),
            },
        }
        environment = {
            "AVOUCH_NAMESPACE": "avouch",
            "AVOUCH_KUBECONFIG": str(self.api.kubeconfig),
            "AVOUCH_DATABASE_URL": self.database.url if name == "migrator" else self.database.url_of(name),
            "AVOUCH_AGGREGATED_API": "false",
            **own.get(name, {}),
        }
        self.kept[name] = Kept(name, self.folder, environment)

    def ready(self) -> set[str]:
        return {name for name, one in self.kept.items() if one.ready()}

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        away = (psycopg.OperationalError, psycopg.errors.UndefinedTable)
        with contextlib.suppress(*away), psycopg.connect(self.database.url) as connection:
            return connection.execute(query.encode()).fetchall()
        return []

    def healed(self) -> None:
        """Everything serves, and what is declared is recorded."""
        try:
            until(lambda: self.ready() == set(PROCESSES), "not everything is ready", HEALED)
            until(lambda: self.rows(RECORDED) == [("release", 1)], "nothing is recorded", HEALED)
        except AssertionError:
            for one in self.kept.values():
                print(one.name, one.log.read_text()[-3000:], sep="\n")
            raise

    def token(self) -> str:
        """What is in the Secret of the APIToken."""
        return self.api.kubectl("get", "secret", "avouch-token-ci", "-n", "team", "-o", "jsonpath={.data.token}")

    def end(self) -> dict[str, int]:
        return {name: one.end() for name, one in self.kept.items()}


@pytest.fixture
def install(tmp_path: Path) -> Iterator[Install]:
    with postgres.running() as database, ApiServer() as api:
        api.kubectl("apply", "--server-side", "-f", str(ROOT / "crds"))
        for kind in ("PipelineRun", "TaskRun"):
            api.apply(TEKTON.format(plural=f"{kind.lower()}s", singular=kind.lower(), kind=kind))
        api.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
        for name in ("avouch", "team"):
            api.kubectl("create", "namespace", name)
        api.apply(CONTRACT.format(name="build", namespace="team"))
        api.apply(WORKFLOW.format(name="release", namespace="team", contract="build"))
        api.apply(FOR_CI)
        made = Install(api, database, tmp_path)
        try:
            yield made
        finally:
            made.end()


def test_nothing_is_ready_before_there_is_a_schema_and_an_emptied_database_heals_by_itself(install: Install) -> None:
    for name in ("controller", "server", "worker"):
        install.start(name)
    until(lambda: all("waiting for the schema" in one.log.read_text() for one in install.kept.values()))
    assert install.ready() == set()
    install.start("migrator")
    install.healed()
    assert {name: one.starts for name, one in install.kept.items()} == dict.fromkeys(PROCESSES, 1)

    token = install.token()
    install.database.empty()
    install.healed()
    until(lambda: install.token() != token, "the token of before is still in the Secret, and works nowhere")
    assert install.kept["controller"].starts == 2
    assert {install.kept[name].starts for name in ("server", "worker", "migrator")} == {1}
    assert install.end() == dict.fromkeys(PROCESSES, 0)


def test_a_schema_that_somebody_drops_comes_back(install: Install) -> None:
    for name in PROCESSES:
        install.start(name)
    install.healed()
    with psycopg.connect(install.database.url, autocommit=True) as connection:
        connection.execute("DROP SCHEMA avouch CASCADE")
    until(lambda: install.kept["controller"].starts == 2, "the controller holds what is gone", HEALED)
    install.healed()


def test_a_controller_that_waits_for_the_schema_ends_when_it_is_told_to_and_gives_its_lease_back(
    install: Install,
) -> None:
    install.start("controller")
    until(lambda: "waiting for the schema" in install.kept["controller"].log.read_text())
    assert install.end() == {"controller": 0}
    holder = "jsonpath={.spec.holderIdentity}"
    assert install.api.kubectl("get", "lease", "avouch-controller", "-n", "avouch", "-o", holder) == ""


def test_a_schema_of_a_newer_version_is_left_as_it_is(install: Install) -> None:
    install.start("migrator")
    until(lambda: install.ready() == {"migrator"})
    install.kept.pop("migrator").end()
    with psycopg.connect(install.database.url, autocommit=True) as connection:
        connection.execute("UPDATE avouch.alembic_version SET version_num = '9999'")
    for name in PROCESSES:
        install.start(name)
    install.healed()
    assert "newer version" in install.kept["migrator"].log.read_text()
    assert install.rows("SELECT version_num FROM avouch.alembic_version") == [("9999",)]
