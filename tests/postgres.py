"""A throw-away PostgreSQL on loopback, by the product's own `processes.postgres`.

TLS, scram, killed and restarted
at will. As root it runs as nobody: initdb insists on a uid that the password file knows.
"""

import contextlib
import copy
import ctypes
import datetime
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import psycopg
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from avouch import names
from avouch.processes import postgres

_UID = 65534
_PR_SET_CHILD_SUBREAPER = 36
_OPERATOR = Path(__file__).parents[1] / "operator"
START_SECONDS = 60
# The interpreter may lie in root's home, so root drops its rights after importing, not before starting.
# Without fsync: what a killed process wrote is the kernel's, and only the machine's own end would lose it.
_MAIN = (
    "import os, encodings.idna\n"
    "from avouch.processes import postgres\n"
    f"os.geteuid() == 0 and (os.setgroups([]), os.setgid({_UID}), os.setuid({_UID}))\n"
    "settings = postgres.Settings.from_environment(os.environ)\n"
    "postgres.prepare(settings)\n"
    "(settings.cluster / 'postgresql.auto.conf').write_text('fsync = off\\n')\n"
    "raise SystemExit(postgres.run(settings))"
)
lent: "Postgres | None" = None  # of the process that forked this one: tests/mutation starts one for many faults


class Postgres:
    """One cluster in a temporary folder."""

    def __init__(self, *, roles: bool = True) -> None:
        """`roles`: whether each process has a role of its own."""
        self.folder = Path(tempfile.mkdtemp(prefix="avouch-postgres-"))
        self.port = _free_port()
        self._password = secrets.token_urlsafe(16)
        _certificate(self.folder)
        (self.folder / "password").write_text(self._password + "\n")
        self._roles = roles
        (self.folder / "passwords").mkdir()
        for process in names.DATABASE_ROLES:
            (self.folder / "passwords" / process).write_text(self._password_of(process) + "\n")
        (self.folder / "data").mkdir()
        if os.geteuid() == 0:
            for path in (self.folder, *self.folder.rglob("*")):
                os.chown(path, _UID, _UID)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """As the owner of the schema, who migrates: the server's certificate and name are checked."""
        return self._url("avouch", self._password)

    def url_of(self, process: str) -> str:
        """What AVOUCH_DATABASE_URL of a process would hold: its own role, with its own rights."""
        return self._url(names.DATABASE_ROLES[process], self._password_of(process))

    @property
    def socket_url(self) -> str:
        """The same database without the TLS in front of it: what a measurement of ours must not pay for."""
        return f"postgresql://avouch:{self._password}@/avouch?host={self.folder / 'data' / 'socket'}&port={self.port}"

    @property
    def log(self) -> str:
        """What the server said."""
        return (self.folder / "log").read_text()

    def _url(self, role: str, password: str) -> str:
        query = f"sslmode=verify-full&sslrootcert={self.folder / 'ca.crt'}"
        return f"postgresql://{role}:{password}@localhost:{self.port}/avouch?{query}"

    def _password_of(self, process: str) -> str:
        return f"{process}-{self._password}"

    def shared(self) -> Self:
        """The same, for another process: what neither starts nor stops it."""
        other = copy.copy(self)
        other._process = None
        return other

    def start(self) -> None:
        """Start and wait until it answers."""
        _adopt_orphans()
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(_OPERATOR),
            "AVOUCH_POSTGRES_DATA": str(self.folder / "data"),
            "AVOUCH_POSTGRES_CERT": str(self.folder / "server.crt"),
            "AVOUCH_POSTGRES_KEY": str(self.folder / "server.key"),
            "AVOUCH_POSTGRES_PASSWORD_FILE": str(self.folder / "password"),
            "AVOUCH_POSTGRES_PASSWORDS": str(self.folder / "passwords") if self._roles else "",
            "AVOUCH_POSTGRES_LISTEN": "127.0.0.1",
            "AVOUCH_POSTGRES_PORT": str(self.port),
        }
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _MAIN],
                env=environment,
                stdout=log,
                stderr=log,
                cwd="/",
                start_new_session=True,
            )
        self._wait()

    def stop(self) -> int:
        """SIGTERM, as a pod gets it; returns the exit code."""
        assert self._process is not None
        self._process.terminate()
        code = self._process.wait(30)
        self._process = None
        return code

    def administer(self, statement: str) -> None:
        """Run a statement as the superuser, who has no login: while the server stands still."""
        self.stop()
        cluster = str(self.folder / "data" / "pgdata")
        command = [postgres._program("postgres"), "--single", "-D", cluster, "postgres"]
        user = _UID if os.geteuid() == 0 else None
        done = subprocess.run(
            command, input=statement + "\n", capture_output=True, text=True, check=True, cwd="/", user=user
        )
        assert "ERROR" not in done.stderr, done.stderr
        self.start()

    def kill(self) -> None:
        """SIGKILL to postmaster, backends and our process: nothing is flushed by PostgreSQL.

        A new start must find nothing of the old one, else the test would be void: hence the wait.
        """
        assert self._process is not None
        others = family(self._process.pid)
        for pid in (self._process.pid, *others):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait(30)
        self._process = None
        deadline = time.monotonic() + 30
        while any(Path(f"/proc/{pid}").exists() for pid in others):
            _reap(others)
            assert time.monotonic() < deadline, "backends outlived SIGKILL"
            time.sleep(0.02)

    def empty(self) -> None:
        """As when a pod goes whose volume is an emptyDir: killed, and the next one finds nothing but its passwords."""
        self.kill()
        shutil.rmtree(self.folder / "data")
        (self.folder / "data").mkdir()
        if os.geteuid() == 0:
            os.chown(self.folder / "data", _UID, _UID)
        self.start()

    def remove(self) -> None:
        """Stop, if it runs, and delete everything."""
        if self._process is not None:
            self.kill()
        shutil.rmtree(self.folder)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()

    def _wait(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while True:
            assert self._process is not None
            assert self._process.poll() is None, f"PostgreSQL did not start:\n{self.log}"
            with contextlib.suppress(psycopg.OperationalError), psycopg.connect(self.url, connect_timeout=2):
                return
            assert time.monotonic() < deadline, f"PostgreSQL does not answer:\n{self.log}"
            time.sleep(0.05)


@contextlib.contextmanager
def running(*, roles: bool = True) -> Iterator[Postgres]:
    """One that runs, removed afterwards also where starting fails."""
    postgres = Postgres(roles=roles)
    try:
        postgres.start()
        yield postgres
    finally:
        postgres.remove()


def family(root: int) -> tuple[int, ...]:
    """Whoever descends from a process now, in whatever session."""
    parents = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                parents[int(folder.name)] = int((folder / "stat").read_text().rsplit(")", 1)[1].split()[1])
    found = {root}
    while grown := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= grown
    return tuple(found - {root})


def _adopt_orphans() -> None:
    """Collect killed backends ourselves: a zombie's pid would keep the next postmaster from starting."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _reap(family: tuple[int, ...]) -> None:
    for pid in family:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _certificate(folder: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=1)).not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    (folder / "ca.crt").write_bytes(pem)
    (folder / "server.crt").write_bytes(pem)
    (folder / "server.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )  # fmt: skip
