"""Artifacts: bytes by digest, where they are kept, who owns and uses them, and the ports of every store of bytes."""

import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Protocol

from avouch import digests
from avouch.api.casbackend import DEFAULT_BYTES, INLINE_BYTES, KINDS
from avouch.controlplane.model import quotas, workflowspecs
from avouch.materials.readers import document

ALLOWED = 600.0  # seconds: 20 documents that take as long as one may
BUILT_IN = "default"  # id and name of the install's own store


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose artifact it is: a namespace, and the run that it is uploaded for, where there is one."""

    namespace: str
    namespace_uid: str
    run_id: uuid.UUID | None = None


@dataclass(frozen=True, slots=True)
class Destination:
    """Where the artifacts of a namespace go. `inline`: into the attestation itself."""

    id: str
    name: str
    max_bytes: int
    inline: bool = False
    fallback: bool = False


@dataclass(frozen=True, slots=True)
class Places:
    """Where an artifact lies: ids of backends, the newest first."""

    backends: tuple[str, ...] = ()
    known: bool = False  # whether any namespace stored it
    sound: bool = False  # whether a copy lies in `backends` that no read found damaged


@dataclass(frozen=True, slots=True)
class Checked:
    """What looking at a document's bytes showed. `problem` is empty where it is of its type.

    `exhausting`: it is larger than its type allows, or needs more time or memory than a reader has.
    """

    stored: bool
    problem: str = ""
    fix: str = ""
    extracted: tuple[tuple[str, str], ...] = ()
    exhausting: bool = False


@dataclass(slots=True)
class Allowance:
    """Seconds that readers may still have the documents of one run, all of them together."""

    seconds: float = ALLOWED


@dataclass(frozen=True, slots=True)
class Use:
    """A Workflow with a run that used an artifact, and its present rules; one that cannot be read has none."""

    namespace: str
    namespace_uid: str
    workflow: str
    rules: workflowspecs.Rules | None


@dataclass(frozen=True, slots=True)
class BackendSpec:
    """The spec of a CASBackend, read once. `declared` is the whole of it: the adapter of its kind reads the rest."""

    declared: Mapping[str, Any]
    kind: str = ""  # inline, filesystem, s3, gcs, azure or oci; "" where the spec names none
    location: str = ""  # oci://repository; "" where no other backend can keep bytes in the same place
    secret: str = ""  # name of the Secret with the credentials
    default: bool = False
    fallback: bool = False
    suspend: bool = False
    max_bytes: int = DEFAULT_BYTES  # the largest artifact that it takes

    @classmethod
    def read(cls, declared: Mapping[str, Any]) -> "BackendSpec":
        """From a spec as JSON. A flag is true only where it is the JSON true."""
        kind = next((kind for kind in KINDS if declared.get(kind) is not None), "")
        repository = (declared.get("oci") or {}).get("repository")
        limit = int(declared.get("maxBytes") or (INLINE_BYTES if kind == "inline" else DEFAULT_BYTES))
        return cls(
            declared,
            kind=kind,
            location=f"oci://{repository}" if repository else "",
            secret=str((declared.get("secretRef") or {}).get("name") or ""),
            default=declared.get("default") is True,
            fallback=declared.get("fallback") is True,
            suspend=declared.get("suspend") is True,
            max_bytes=min(limit, INLINE_BYTES) if kind == "inline" else limit,
        )


@dataclass(frozen=True, slots=True)
class BackendRecord:
    """A CASBackend as the controller recorded it, and what its last check found. None: not checked yet."""

    uid: str
    namespace: str
    namespace_uid: str
    name: str
    generation: int
    spec: BackendSpec
    problem: str = ""  # why it may not be used, such as two defaults
    checked_generation: int = -1
    checked_at: datetime | None = None
    reachable: bool | None = None
    writable: bool | None = None
    message: str = ""

    @property
    def kind(self) -> str:
        """inline, filesystem, s3, gcs, azure or oci; "" where the spec names none."""
        return self.spec.kind

    @property
    def location(self) -> str:
        """What tells whether two backends keep the same bytes in the same place: only registries can be shared."""
        return self.spec.location or self.uid

    def stopped_by(self, problem: str) -> "BackendRecord":
        """The same with what keeps it from being used."""
        return replace(self, problem=problem)

    @property
    def checked(self) -> bool:
        """Whether the last check was of the present spec."""
        return self.checked_generation == self.generation

    @property
    def usable(self) -> bool:
        """Whether artifacts may go there now."""
        return not self.problem and not self.spec.suspend and self.checked and bool(self.writable)

    @property
    def max_bytes(self) -> int:
        """The largest artifact that it takes."""
        return self.spec.max_bytes


@dataclass(frozen=True, slots=True)
class Probed:
    """What a check found."""

    reachable: bool
    writable: bool
    message: str = ""


@dataclass(frozen=True, slots=True)
class Serving:
    """The backends that may take a namespace's artifacts: its own, and those of its organization's home namespace."""

    own: Sequence[BackendRecord] = ()
    home: Sequence[BackendRecord] = ()
    built_in: Destination = field(default=Destination(BUILT_IN, BUILT_IN, DEFAULT_BYTES))


class Blobs(Protocol):
    """Bytes by digest."""

    async def put(
        self, content: AsyncIterator[bytes], *, expected: digests.Digest | None, limit: int
    ) -> tuple[digests.Digest, int]:
        """Store content while hashing it; memory stays flat. Returns digest and size in bytes.

        Raises:
            errors.TooLarge: more than `limit` bytes. Nothing is kept.
            errors.Invalid: the digest differs from `expected`. Nothing is kept.
        """
        ...

    def get(self, digest: digests.Digest) -> AsyncIterator[bytes]:
        """Content in pieces, re-hashed while read.

        Raises:
            errors.NotFound: no such content.
            errors.Corrupt: the stored bytes no longer match; raised before the last piece is handed out.
        """
        ...

    async def has(self, digest: digests.Digest) -> bool:
        """Whether the content is stored."""
        ...


class Content(Protocol):
    """Reading bytes by digest: the part of `Blobs` that a worker needs."""

    def get(self, digest: digests.Digest, *, namespace_uid: str = "") -> AsyncIterator[bytes]:
        """Content in pieces, re-hashed while read; with a namespace, only what that one stored.

        Raises errors.NotFound, errors.Corrupt or errors.Unavailable.
        """
        ...


class ArtifactStore(Protocol):
    """Artifacts of all namespaces, each in the backend of its own."""

    async def of_namespace(self, namespace: str) -> Destination:
        """Where new artifacts of a namespace go. Raises errors.NotReady where that cannot be used."""
        ...

    async def put(
        self,
        content: AsyncIterator[bytes],
        *,
        expected: digests.Digest | None,
        limit: int,
        owner: Owner | None = None,
    ) -> tuple[digests.Digest, int]:
        """As `Blobs.put`, in the owner's backend; without an owner in the install's own store."""
        ...

    def get(self, digest: digests.Digest, *, namespace_uid: str = "") -> AsyncIterator[bytes]:
        """As `Blobs.get`; with a namespace, only what that namespace stored."""
        ...

    async def has(self, digest: digests.Digest, *, namespace_uid: str = "") -> bool:
        """Whether the content is stored; with a namespace, by that one."""
        ...

    async def use(self, digest: digests.Digest, owner: Owner) -> bool:
        """Whether the owner's namespace has stored it; if so, the owner's run refers to it from now on."""
        ...


class BlobStore(Blobs, Protocol):
    """One place that keeps bytes."""

    held: int  # bytes of one upload that are in memory at a time, at most

    async def delete(self, digest: digests.Digest) -> None:
        """Remove content; what is not there is removed already. Raises errors.Unavailable."""
        ...

    async def sweep(self) -> int:
        """Remove what killed uploads left behind a day ago or earlier; returns how many. Raises errors.Unavailable."""
        ...

    async def close(self) -> None:
        """Give connections back."""
        ...


class Map(Protocol):
    """Where artifacts lie, and where new ones go."""

    async def serving(self, namespace: str) -> Serving:
        """The backends of a namespace and of its organization's home."""
        ...

    async def reserve(self, digest: digests.Digest, owner: Owner, backend: str) -> quotas.ArtifactUse | None:
        """Bytes are on their way. Returns what the namespace has stored; None where these are counted already.

        Raises errors.Unavailable while the same ones are being removed, errors.Denied where the quota is used up.
        """
        ...

    async def record(self, digest: digests.Digest, owner: Owner, backend: str, size: int) -> None:
        """They have arrived; the owner's run refers to them. Raises errors.Denied: the quota has no room for them."""
        ...

    async def use(self, digest: digests.Digest, owner: Owner) -> bool:
        """As `ArtifactStore.use`."""
        ...

    async def where(self, digest: digests.Digest, namespace_uid: str = "") -> Places:
        """Where it lies for this namespace, or for any."""
        ...

    async def damaged(self, digest: digests.Digest, backend: str) -> None:
        """A read found this copy damaged: until it is stored again, it need be sent."""
        ...


class BackendRecords(Protocol):
    """CASBackends as the controller records them."""

    async def upsert(self, record: BackendRecord, *, epoch: int) -> None:
        """BackendRecord a backend; a new spec is checked at once."""
        ...

    async def remove(self, namespace: str, name: str, *, uid: str, epoch: int) -> None:
        """Take no new artifacts there; forget it where none lie in it."""
        ...

    async def get(self, uid: str) -> BackendRecord | None:
        """One backend, with what its last check found."""
        ...

    async def keys(self) -> Sequence[tuple[str, str, str]]:
        """(namespace, name, uid) of every backend, for the resync's diff."""
        ...


class Opener(Protocol):
    """Opens backends by id, with their credentials of now."""

    async def open(self, uid: str) -> BlobStore:
        """The backend; ours is `BUILT_IN`. Raises errors.Unavailable with what is wrong with it."""
        ...


class Artifacts(Protocol):
    """Looks at documents: whether their bytes are stored, and whether they are what they are called."""

    async def check(
        self,
        digest: digests.Digest,
        type_: str,
        *,
        namespace_uid: str = "",
        allowance: Allowance | None = None,
    ) -> Checked:
        """What the bytes show that this namespace stored.

        Args:
            digest: of the bytes.
            type_: what they are called.
            namespace_uid: whose they are.
            allowance: of their run; None: they are looked at for themselves.

        Raises:
            Unavailable: no answer now.
        """
        ...

    async def read(
        self, content: bytes, type_: str, *, namespace_uid: str = "", allowance: Allowance | None = None
    ) -> Checked:
        """The same for bytes that the attestation itself holds."""
        ...


class Reader(Protocol):
    """Reads documents, whatever they do to who reads them."""

    async def read(self, type_: str, content: bytes, *, namespace_uid: str, allowance: Allowance) -> document.Document:
        """Check content against its type. Raises errors.Unavailable: not now."""
        ...


class Shows(Protocol):
    """Makes what policies see of documents, whatever they do to who reads them."""

    async def show(self, type_: str, content: bytes, *, namespace_uid: str, allowance: Allowance) -> bytes:
        """A document as JSON. Raises errors.Invalid or TooLarge: it cannot be shown; errors.Unavailable: not now."""
        ...


class Uses(Protocol):
    """What runs refer to."""

    def of(self, digest: digests.Digest, namespace: str | None = None) -> AsyncIterator[Use]:
        """The Workflows of present namespaces, or of one, with a run that refers to it: all of them."""
        ...

    async def size(self, digest: digests.Digest, namespace_uid: str) -> int | None:
        """Bytes of what a namespace (or, with "", any) stored; None where it stored none of this digest."""
        ...


class Tickets(Protocol):
    """Tickets for one download each."""

    async def taken(self, token: str, artifact: digests.Digest, now: datetime) -> str | None:
        """The namespace (uid) whose artifact it opens; None: it is no ticket for this one, or was used."""
        ...
