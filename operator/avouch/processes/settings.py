"""Settings of each process, from its environment. An invalid one stops the process; the error names its variable."""

import socket
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from avouch import errors, pem
from avouch.controlplane.intake import oidc_claims
from avouch.controlplane.model import quotas as quota_model
from avouch.destinations import PUBLIC, Destinations
from avouch.oidc import allowed
from avouch.opa import launching
from avouch.tekton import quantities, termination

_LEAST_POLICY_MEMORY = 192 * launching.MIB  # less does not start an OPA that does anything
OWN, SYSTEM = "own", "system"  # of AVOUCH_PUBLIC_CA; anything else is a PEM


@dataclass(frozen=True)
class Server:
    """Settings of `avouch server`."""

    namespace: str  # of our install
    worker: str  # namespace/name of the ServiceAccount that may read artifacts
    database_url: str = field(repr=False)
    blobs: str = "inline:"  # or file:///folder
    tls: Path = Path("/etc/avouch/tls")  # tls.crt, tls.key
    authority: Path = Path("/etc/avouch/ca")  # ca.crt, ca.key: pod certificates; ca.crt may hold an older one too
    trust: Path = Path("/etc/avouch/trust/trust.json")  # what verifies signatures, for whoever asks
    sidecar_image: str = ""  # empty: no injection
    server_url: str = ""  # what sidecars call
    public_url: str = ""  # what people and CI outside the cluster call
    public_ca: str = OWN  # who certifies it there: our own authority, one that every system knows, or a PEM
    oidc_issuers: tuple[allowed.Issuer, ...] = ()  # whose tokens are looked at
    aggregated_api: bool = True
    dry_runs: bool = False  # whether the API server is asked before a pod is patched
    per_result: int = termination.PER_RESULT  # bytes that a result of a task is expected to need
    kubeconfig: Path | None = None  # outside a cluster
    host: str = ""  # every address, IPv4 and IPv6
    port: int = 8443
    runs_port: int = 8444
    admission_port: int = 8445
    health_port: int = 9090
    max_material: int = 1024 * 1024 * 1024  # bytes of one file
    quotas: quota_model.Quotas = field(default_factory=quota_model.Quotas)  # of a namespace
    destinations: Destinations = PUBLIC  # what CASBackends may connect to
    log_level: str = "INFO"

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Read AVOUCH_* variables; docs and chart use the same names.

        Raises:
            Invalid: one is missing or unusable; `field` names it.
        """
        namespace = _needed(environment, "AVOUCH_NAMESPACE")
        kubeconfig = environment.get("AVOUCH_KUBECONFIG", "")
        return cls(
            namespace=namespace,
            worker=f"{namespace}/{environment.get('AVOUCH_WORKER_SERVICE_ACCOUNT') or 'avouch-worker'}",
            database_url=_needed(environment, "AVOUCH_DATABASE_URL"),
            blobs=_blobs(environment),
            tls=Path(environment.get("AVOUCH_TLS_DIR") or "/etc/avouch/tls"),
            authority=Path(environment.get("AVOUCH_CA_DIR") or "/etc/avouch/ca"),
            trust=Path(environment.get("AVOUCH_TRUST_FILE") or "/etc/avouch/trust/trust.json"),
            sidecar_image=environment.get("AVOUCH_SIDECAR_IMAGE", ""),
            server_url=environment.get("AVOUCH_SERVER") or f"https://avouch-server.{namespace}.svc",
            public_url=_https(environment, "AVOUCH_PUBLIC_URL"),
            public_ca=_public_ca(environment),
            oidc_issuers=allowed.parse(environment.get("AVOUCH_OIDC_ISSUERS", ""), oidc_claims.RUNNERS),
            aggregated_api=environment.get("AVOUCH_AGGREGATED_API", "true") == "true",
            dry_runs=environment.get("AVOUCH_DRY_RUNS", "false") == "true",
            per_result=_number(environment, "AVOUCH_RESULT_BYTES", cls.per_result),
            kubeconfig=Path(kubeconfig) if kubeconfig else None,
            host=environment.get("AVOUCH_HOST", ""),
            port=_number(environment, "AVOUCH_PORT", 8443),
            runs_port=_number(environment, "AVOUCH_RUNS_PORT", 8444),
            admission_port=_number(environment, "AVOUCH_ADMISSION_PORT", 8445),
            health_port=_number(environment, "AVOUCH_HEALTH_PORT", 9090),
            max_material=_number(environment, "AVOUCH_MAX_MATERIAL", cls.max_material),
            quotas=_quotas(environment),
            destinations=_destinations(environment),
            log_level=_level(environment),
        )


@dataclass(frozen=True)
class Controller:
    """Settings of `avouch controller`."""

    namespace: str  # of our install
    identity: str  # in the Lease
    database_url: str = field(repr=False)
    kubeconfig: Path | None = None  # outside a cluster
    rescue_image: str = ""  # empty: pods wait for a sidecar image that cannot be pulled
    aggregated_api: bool = True
    certificates: bool = True  # make and rotate them, the webhook configuration and the APIService
    server_service: str = "avouch-server"
    runs_service: str = "avouch-runs"
    admission_service: str = "avouch-admission"
    token_secrets: bool = True  # False: the controller may not write Secrets, so no API tokens are created
    public_url: str = ""  # where CI outside the cluster reaches the server; empty: its Service's name
    public_ca: str = OWN  # who certifies it there: our own authority, one that every system knows, or a PEM
    health_port: int = 9090
    quotas: quota_model.Quotas = field(default_factory=quota_model.Quotas)  # of a namespace: Events say who is near
    log_level: str = "INFO"

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Read AVOUCH_* variables. Raises errors.Invalid; `field` names the variable."""
        kubeconfig = environment.get("AVOUCH_KUBECONFIG", "")
        return cls(
            namespace=_needed(environment, "AVOUCH_NAMESPACE"),
            identity=f"{environment.get('POD_NAME') or socket.gethostname()}_{uuid.uuid4().hex[:8]}",
            database_url=_needed(environment, "AVOUCH_DATABASE_URL"),
            kubeconfig=Path(kubeconfig) if kubeconfig else None,
            rescue_image=environment.get("AVOUCH_RESCUE_IMAGE", ""),
            aggregated_api=environment.get("AVOUCH_AGGREGATED_API", "true") == "true",
            certificates=environment.get("AVOUCH_CERTIFICATES", "true") == "true",
            server_service=environment.get("AVOUCH_SERVER_SERVICE") or cls.server_service,
            runs_service=environment.get("AVOUCH_RUNS_SERVICE") or cls.runs_service,
            admission_service=environment.get("AVOUCH_ADMISSION_SERVICE") or cls.admission_service,
            token_secrets=environment.get("AVOUCH_TOKEN_SECRETS", "true") == "true",
            public_url=_https(environment, "AVOUCH_PUBLIC_URL"),
            public_ca=_public_ca(environment),
            health_port=_number(environment, "AVOUCH_HEALTH_PORT", 9090),
            quotas=_quotas(environment),
            log_level=_level(environment),
        )


@dataclass(frozen=True)
class Worker:
    """Settings of `avouch worker`."""

    verifier_id: str  # the URI that signs verdicts
    database_url: str = field(repr=False)
    blobs: str = "inline:"  # or server: (read through the server)
    keys: Path = Path("/etc/avouch/keys")  # attestation.pem, passed.pem, failed.pem
    authority: Path = Path("/etc/avouch/ca")  # pods.crt (and older ones: pods*.crt), serving.crt
    token: Path = Path("/var/run/avouch/token")
    server_url: str = ""
    kubeconfig: Path | None = None
    host: str = ""
    health_port: int = 9090
    quotas: quota_model.Quotas = field(
        default_factory=quota_model.Quotas
    )  # of a namespace: the metrics say who has used most of them
    takeover: int = 30  # seconds without a sign of life after which others take up a worker's jobs
    destinations: Destinations = PUBLIC  # what Integrations and scripts of policies may connect to
    policies: launching.Limits = launching.SERVED  # of one OPA
    log_level: str = "INFO"

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Read AVOUCH_* variables. Raises errors.Invalid; `field` names the variable."""
        namespace = _needed(environment, "AVOUCH_NAMESPACE")
        kubeconfig = environment.get("AVOUCH_KUBECONFIG", "")
        blobs = environment.get("AVOUCH_BLOBS") or "inline:"
        if blobs not in ("inline:", "server:"):
            raise errors.Invalid(
                f"unknown store: {blobs[:80]!r}", field="AVOUCH_BLOBS", fix="set it to inline: or server:"
            )
        return cls(
            verifier_id=_needed(environment, "AVOUCH_VERIFIER_ID"),
            database_url=_needed(environment, "AVOUCH_DATABASE_URL"),
            blobs=blobs,
            keys=Path(environment.get("AVOUCH_KEYS_DIR") or cls.keys),
            authority=Path(environment.get("AVOUCH_CA_DIR") or cls.authority),
            token=Path(environment.get("AVOUCH_TOKEN_FILE") or cls.token),
            server_url=environment.get("AVOUCH_SERVER") or f"https://avouch-server.{namespace}.svc",
            kubeconfig=Path(kubeconfig) if kubeconfig else None,
            host=environment.get("AVOUCH_HOST", ""),
            health_port=_number(environment, "AVOUCH_HEALTH_PORT", 9090),
            quotas=_quotas(environment),
            takeover=_positive(environment, "AVOUCH_TAKEOVER_SECONDS", cls.takeover),
            destinations=_destinations(environment),
            policies=_policies(environment),
            log_level=_level(environment),
        )


@dataclass(frozen=True)
class Migrator:
    """Settings of `avouch migrator`."""

    database_url: str = field(repr=False)  # of the schema's owner
    host: str = ""
    health_port: int = 9090
    log_level: str = "INFO"

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Read AVOUCH_* variables. Raises errors.Invalid; `field` names the variable."""
        return cls(
            database_url=_needed(environment, "AVOUCH_DATABASE_URL"),
            host=environment.get("AVOUCH_HOST", ""),
            health_port=_number(environment, "AVOUCH_HEALTH_PORT", 9090),
            log_level=_level(environment),
        )


def _needed(environment: Mapping[str, str], name: str) -> str:
    value = environment.get(name, "").strip()
    if not value:
        raise errors.Invalid("not set", field=name, fix=f"set {name} in the process's environment")
    return value


def _number(environment: Mapping[str, str], name: str, default: int) -> int:
    text = environment.get(name, "") or str(default)
    if not (text.isascii() and text.isdigit()):
        raise errors.Invalid(f"not a whole number: {text[:40]!r}", field=name)
    return int(text)


def _positive(environment: Mapping[str, str], name: str, default: int) -> int:
    found = _number(environment, name, default)
    if found < 1:
        raise errors.Invalid("less than 1", field=name)
    return found


def _policies(environment: Mapping[str, str]) -> launching.Limits:
    default = launching.SERVED
    name = "AVOUCH_POLICY_MEMORY"
    try:
        memory = int(quantities.read(environment.get(name) or default.memory))
    except errors.Invalid as exc:
        raise errors.Invalid(exc.args[0], field=name, fix="write it as 512Mi") from exc
    if memory < _LEAST_POLICY_MEMORY:
        least = _LEAST_POLICY_MEMORY // launching.MIB
        raise errors.Invalid(f"less than {least}Mi, which OPA needs to start", field=name, fix="write it as 512Mi")
    seconds = _positive(environment, "AVOUCH_POLICY_SECONDS", int(default.seconds))
    return launching.Limits(seconds=float(seconds), memory=memory, answer=default.answer)


def _destinations(environment: Mapping[str, str]) -> Destinations:
    return Destinations.parse(environment.get("AVOUCH_DESTINATIONS", ""), "AVOUCH_DESTINATIONS")


def _quotas(environment: Mapping[str, str]) -> quota_model.Quotas:
    defaults = quota_model.Quotas()
    return quota_model.Quotas(
        open_runs=_number(environment, "AVOUCH_OPEN_RUNS", defaults.open_runs),
        state_bytes=_number(environment, "AVOUCH_STATE_BYTES", defaults.state_bytes),
        artifact_bytes=_number(environment, "AVOUCH_ARTIFACT_BYTES", defaults.artifact_bytes),
        artifact_count=_number(environment, "AVOUCH_ARTIFACT_COUNT", defaults.artifact_count),
    )


def _level(environment: Mapping[str, str]) -> str:
    level = (environment.get("AVOUCH_LOG_LEVEL") or "INFO").upper()
    if level not in ("DEBUG", "INFO", "WARNING", "ERROR"):
        raise errors.Invalid(
            f"unknown log level: {level[:40]!r}", field="AVOUCH_LOG_LEVEL", fix="use DEBUG, INFO, WARNING or ERROR"
        )
    return level


def _public_ca(environment: Mapping[str, str]) -> str:
    value = environment.get("AVOUCH_PUBLIC_CA") or OWN
    if value in (OWN, SYSTEM):
        return value
    if not pem.is_text(value):
        raise errors.Invalid(
            "not own, system or a PEM certificate",
            field="AVOUCH_PUBLIC_CA",
            fix="set public.ca: own in the chart's values",
        )
    return pem.certificates(value, "AVOUCH_PUBLIC_CA")


def _https(environment: Mapping[str, str], name: str) -> str:
    """An https URL without a path, or empty."""
    value = environment.get(name, "").rstrip("/")
    parts = urlsplit(value)
    if value and (parts.scheme != "https" or not parts.hostname or parts.path or parts.query):
        raise errors.Invalid(
            f"{value[:80]!r} is not https://host[:port]",
            field=name,
            fix="set it to an address such as https://avouch.example.com",
        )
    return value


def _blobs(environment: Mapping[str, str]) -> str:
    found = environment.get("AVOUCH_BLOBS") or "inline:"
    if found != "inline:" and not found.startswith("file:///"):
        raise errors.Invalid(
            f"unknown store: {found[:80]!r}", field="AVOUCH_BLOBS", fix="set it to inline: or file:///folder"
        )
    return found
