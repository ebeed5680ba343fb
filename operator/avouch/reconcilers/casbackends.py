"""CASBackend: recorded with what may keep it from being used; the server checks it, and the status says what it found.

Reachable and Writable come from a real write, read and delete by the process that stores artifacts.
"""

from collections.abc import Sequence

from avouch.controlplane.artifacts import backends
from avouch.controlplane.model import artifacts
from avouch.kube.cache import Key, Object
from avouch.reconcilers import conditions
from avouch.reconcilers.context import Context
from avouch.reconcilers.specs import declared

_SOON = 2.0  # seconds between looks for the first check of a spec
_LATER = 60.0  # seconds between looks whether a later check found something else


def record_of(backend: Object, namespace_uid: str) -> artifacts.BackendRecord:
    """The row that the server reads."""
    meta = backend["metadata"]
    return artifacts.BackendRecord(
        uid=str(meta["uid"]),
        namespace=str(meta["namespace"]),
        namespace_uid=namespace_uid,
        name=str(meta["name"]),
        generation=int(meta.get("generation") or 0),
        spec=artifacts.BackendSpec.read(declared(backend)),
    )


def decide(backend: Object, found: artifacts.BackendRecord) -> conditions.Desired:
    """What the status should say. Conditions of a check stay while the backend is suspended or in another's way."""
    return _resolved(backend, found).having(*_checked(found), type=found.kind or None)


def _resolved(backend: Object, found: artifacts.BackendRecord) -> conditions.Desired:
    if found.spec.suspend:
        return conditions.suspended(backend.get("status") or {})
    if not found.kind:
        return conditions.stalled(
            conditions.INVALID_BACKEND,
            "the spec names no kind of backend (fix: set one of spec.inline, filesystem, s3, gcs, azure, oci)",
        )
    if found.problem:
        return conditions.stalled(conditions.INVALID_BACKEND, found.problem)
    if not found.checked:
        return conditions.waiting("waits for its first check by avouch-server", recheck=_SOON)
    if not found.writable:
        return conditions.waiting(found.message or "it cannot be written to", recheck=_LATER)
    done = conditions.succeeded("a probe was written, read and deleted")
    return conditions.Desired(done.conditions, recheck=_LATER)


def _checked(found: artifacts.BackendRecord) -> tuple[conditions.Condition, ...]:
    if not found.checked:
        return ()
    said = found.message or "checked with a real write, read and delete"
    return tuple(
        conditions.Condition(
            name, str(bool(ok)), conditions.CHECK_SUCCEEDED if ok else conditions.CHECK_FAILED, said[:1024]
        )
        for name, ok in ((conditions.REACHABLE, found.reachable), (conditions.WRITABLE, found.writable))
    )


async def reconcile(context: Context, key: Key, obj: Object) -> conditions.Desired:
    """Record it, with what stands in its way; say what the last check found."""
    record = record_of(obj, context.namespace_uid(key.namespace))
    problem = backends.problems(_siblings(context, key, record)).get(record.uid, "")
    await context.backends.upsert(record.stopped_by(problem), epoch=context.epoch())
    found = await context.backends.get(record.uid)
    return decide(obj, found or record.stopped_by(problem))


async def remove(context: Context, key: Key, old: Object | None) -> None:
    """Take nothing new there; what lies there stays readable."""
    uid = str(old["metadata"]["uid"]) if old else ""
    if uid:
        await context.backends.remove(key.namespace, key.name, uid=uid, epoch=context.epoch())


def _siblings(context: Context, key: Key, record: artifacts.BackendRecord) -> Sequence[artifacts.BackendRecord]:
    """All of the namespace, this one as it is now; suspended ones claim nothing."""
    others = (context.cache.get(k) for k in context.cache.found("CASBackend", f"namespace/{key.namespace}") if k != key)
    known = [record_of(other, record.namespace_uid) for other in others if other is not None]
    return [one for one in (record, *known) if not one.spec.suspend]
