"""What the environment tells the sidecar. Read once; the token is read from its file before each push."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from avouch import errors, pem, plan

MAX_FILE = 256 * 1024 * 1024  # bytes of one material
BUDGET = float(plan.ATTEST_WITHIN)  # seconds


@dataclass(frozen=True, slots=True)
class Settings:
    """The contract between admission and the sidecar."""

    server: str
    ca: str  # PEM; empty: read from `ca_file`
    plans: tuple[plan.Plan, ...] = ()
    steps: int = 0
    step_names: tuple[str, ...] = ()
    workspaces: Mapping[str, str] = field(default_factory=dict)
    unmounted: Mapping[str, str] = field(default_factory=dict)  # workspace -> why the sidecar cannot have it
    tekton: Path = Path("/tekton")
    identity: Path = Path("/var/run/avouch")
    max_file: int = MAX_FILE
    budget: float = BUDGET
    published: frozenset[str] = frozenset()  # workspaces that the kubelet writes: of ConfigMaps
    dialled: tuple[str, ...] = ()  # names and addresses to reach the server by, in order; empty: as `server` says

    @property
    def token_file(self) -> Path:
        """The projected token, renewed by the kubelet."""
        return self.identity / "token"

    @property
    def labels_file(self) -> Path:
        """The pod's labels, from the downward API."""
        return self.identity / "labels"

    @property
    def ca_file(self) -> Path:
        """The server's CA where a Task mounts it itself."""
        return self.identity / "ca.crt"

    def trusted_ca(self) -> str:
        """The CA to trust, PEM. Raises errors.Invalid if there is none: no other CA is ever trusted."""
        if self.ca:
            return pem.certificates(self.ca, "AVOUCH_CA")
        try:
            found = self.ca_file.read_bytes()
        except OSError as exc:
            raise errors.Invalid(f"no CA in AVOUCH_CA or {self.ca_file}", field="AVOUCH_CA") from exc
        return pem.certificates(found, str(self.ca_file))


def read(environment: Mapping[str, str]) -> Settings:
    """Settings from the environment.

    Raises:
        Invalid: AVOUCH_SERVER is not https, or a variable is not what admission writes.
    """
    server = environment.get("AVOUCH_SERVER", "").rstrip("/")
    if not server.startswith("https://"):
        raise errors.Invalid("must be an https:// address: a token travels there", field="AVOUCH_SERVER")
    try:
        return Settings(
            server=server,
            ca=environment.get("AVOUCH_CA", ""),
            dialled=tuple(environment.get("AVOUCH_SERVER_HOSTS", "").split()),
            plans=tuple(plan.Plan.from_json(json.dumps(p)) for p in json.loads(environment.get("AVOUCH_PLAN") or "[]")),
            steps=int(environment.get("AVOUCH_STEPS") or 0),
            step_names=tuple(json.loads(environment.get("AVOUCH_STEP_NAMES") or "[]")),
            workspaces=dict(json.loads(environment.get("AVOUCH_WORKSPACES") or "{}")),
            published=frozenset(json.loads(environment.get("AVOUCH_PUBLISHED") or "[]")),
            unmounted=dict(json.loads(environment.get("AVOUCH_UNMOUNTED") or "{}")),
            tekton=Path(environment.get("AVOUCH_TEKTON") or "/tekton"),
            identity=Path(environment.get("AVOUCH_IDENTITY") or "/var/run/avouch"),
            max_file=int(environment.get("AVOUCH_MAX_FILE") or MAX_FILE),
            budget=float(environment.get("AVOUCH_BUDGET") or BUDGET),
        )
    except (errors.Invalid, ValueError, TypeError) as exc:
        raise errors.Invalid(f"cannot be read: {exc}", field="AVOUCH_*") from exc
