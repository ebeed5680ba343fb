"""The newest known state of watched objects, by key, with indices: a reconcile reads nothing else."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, TypeAlias

Object: TypeAlias = dict[str, Any]
Indexer: TypeAlias = Callable[[Object], Iterable[str]]


class Key(NamedTuple):
    """Identifies an object in a cluster; cluster-scoped objects have no namespace."""

    kind: str
    namespace: str
    name: str


def key_of(kind: str, obj: Mapping[str, Any]) -> Key:
    """The key of an object. List items have no kind, so it is an argument."""
    meta = obj["metadata"]
    return Key(kind, meta.get("namespace") or "", meta["name"])


class ObjectCache:
    """Objects by key. `indexers` give the index values of an object, by kind."""

    def __init__(self, indexers: Mapping[str, Indexer] | None = None) -> None:
        self._objects: dict[Key, Object] = {}
        self._kinds: dict[str, dict[Key, None]] = {}
        self._indexers = dict(indexers or {})
        self._index: dict[tuple[str, str], set[Key]] = {}
        self._filed: dict[Key, tuple[str, ...]] = {}  # under which values: an indexer reads each state once

    def __len__(self) -> int:
        return len(self._objects)

    def get(self, key: Key) -> Object | None:
        """The object, or None if it does not exist. Do not change it."""
        return self._objects.get(key)

    def put(self, key: Key, obj: Object) -> bool:
        """Store an object, unless a newer state is known. Returns whether it was stored."""
        old = self._objects.get(key)
        if old is not None and _older(obj, old):
            return False
        obj["metadata"].pop("managedFields", None)  # half of the bytes, and never read
        self._objects[key] = obj
        self._kinds.setdefault(key.kind, {})[key] = None
        indexer = self._indexers.get(key.kind)
        if indexer is not None:
            self._file(key, tuple(dict.fromkeys(indexer(obj))))
        return True

    def drop(self, key: Key) -> Object | None:
        """Remove an object; returns its last known state."""
        self._file(key, ())
        self._kinds.get(key.kind, {}).pop(key, None)
        return self._objects.pop(key, None)

    def keys(self, kind: str) -> list[Key]:
        """The keys of one kind."""
        return list(self._kinds.get(kind, ()))

    def holds(self, kind: str, value: str) -> bool:
        """Whether there is any object of one kind that its indexer filed under a value."""
        return (kind, value) in self._index

    def found(self, kind: str, value: str) -> list[Key]:
        """The keys of one kind with this index value, in order."""
        return sorted(self._index.get((kind, value), ()))

    def gone(self, kind: str, live: Iterable[Key]) -> list[Key]:
        """The keys of one kind that are known here and are not among the live ones: missed deletions."""
        keep = set(live)
        return [key for key in self.keys(kind) if key not in keep]

    def _file(self, key: Key, values: tuple[str, ...]) -> None:
        """File a key under these values, and no longer under others."""
        before = self._filed.pop(key, ())
        if values:
            self._filed[key] = values
        if before == values:
            return
        for value in before:
            keys = self._index[key.kind, value]
            keys.discard(key)
            if not keys:
                del self._index[key.kind, value]
        for value in values:
            self._index.setdefault((key.kind, value), set()).add(key)


def same_wish(old: Object | None, new: Object) -> bool:
    """Whether two states have the same desired state: avouch's own status writes must not cause another reconcile."""
    return old is not None and _wish(old) == _wish(new)


def _wish(obj: Object) -> tuple[Any, ...]:
    meta = obj["metadata"]
    return (
        meta.get("uid"),
        meta.get("generation"),
        meta.get("labels") or {},
        meta.get("annotations") or {},
        meta.get("deletionTimestamp"),
    )


def _older(new: Object, old: Object) -> bool:
    """Resource versions of one resource are ordered (KEP-5504); a version that is not a number counts as newer."""
    new_meta, old_meta = new["metadata"], old["metadata"]
    versions = new_meta.get("resourceVersion", ""), old_meta.get("resourceVersion", "")
    if new_meta.get("uid") != old_meta.get("uid") or not all(v.isdigit() for v in versions):
        return False
    return int(versions[0]) < int(versions[1])
