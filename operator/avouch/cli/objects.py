"""What commands on objects share: names, places, and how it is told what became of one."""

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import click

from avouch import errors
from avouch.cli import output, session

T = TypeVar("T")
Manifest = dict[str, Any]
_POLL = 0.5  # seconds


def named(what: str, *, needed: bool = True) -> Callable[[Callable[..., T]], Callable[..., T]]:
    """A name, as argument like kubectl or as --name like Chainloop."""

    def decorate(function: Callable[..., T]) -> Callable[..., T]:
        @functools.wraps(function)
        def called(*args: Any, argument: str | None, option: str | None, **values: Any) -> T:
            return function(*args, name=_one(argument, option, needed), **values)

        said = click.option("--name", "option", metavar="NAME", help=f"Name of the {what}; may come without --name.")
        return said(click.argument("argument", metavar="[NAME]", required=False)(called))

    return decorate


def everywhere(function: Callable[..., T]) -> Callable[..., T]:
    """The option -A."""
    return click.option("-A", "--all-namespaces", "everywhere", is_flag=True, help="List objects of all namespaces.")(
        function
    )


def create(started: session.Session, manifests: Sequence[Manifest], dry_run: str, form: str) -> None:
    """Create objects, one after the other, and print each."""
    made = [
        placed if dry_run == "client" else started.cluster.create(placed, *_flags(dry_run))
        for placed in (_placed(started, manifest) for manifest in manifests)
    ]
    show(made, "created", dry_run, form)


def change(started: session.Session, before: Manifest, after: Manifest, dry_run: str, form: str) -> None:
    """Change an object where it differs, and tell of it; refused where somebody else changed it since it was read.

    It is patched, since kubectl's replace writes what the cluster added into the text that its apply remembers.
    """
    if before == after:
        show([before], "unchanged", dry_run, form)
    elif dry_run == "client":
        show([after], "configured", dry_run, form)
    else:
        kind, _, name = output.named(before).partition("/")
        version = {"resourceVersion": text(before, "metadata", "resourceVersion")}
        merge = {
            **difference(before, after),
            "metadata": {**difference(part(before, "metadata"), part(after, "metadata")), **version},
        }
        show([started.cluster.patch(kind, name, merge, *_flags(dry_run))], "configured", dry_run, form)


def difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON merge patch (RFC 7396) that makes one of the other: null takes away, lists are taken whole.

    >>> difference({"a": {"b": 1, "c": 2}, "d": [1]}, {"a": {"b": 1}, "d": [2], "e": {}})
    {'a': {'c': None}, 'd': [2], 'e': {}}
    """
    patch: dict[str, Any] = {key: None for key in before if key not in after}
    for key, value in after.items():
        old = before.get(key)
        if isinstance(old, Mapping) and isinstance(value, Mapping):
            inner = difference(old, value)
            patch |= {key: inner} if inner else {}
        elif key not in before or old != value:
            patch[key] = value
    return patch


def show(made: Sequence[Manifest], done: str, dry_run: str, form: str) -> None:
    """Print what was done to objects."""
    names = [output.named(manifest) for manifest in made]
    suffix = f" ({dry_run if dry_run == 'server' else ''} dry run)".replace("( ", "(") if dry_run else ""
    if form == "table":
        output.lines([f"{name} {done}{suffix}" for name in names])
    elif form == "name":
        output.lines(names)
    else:
        output.document(form, made[0] if len(made) == 1 else list(made))


def until(started: session.Session, look: Callable[[], T | None], seconds: float) -> T | None:
    """Poll until there is a result, or time is up."""
    for _ in range(max(1, round(seconds / _POLL))):
        found = look()
        if found is not None:
            return found
        started.adapters.wait(_POLL)
    return look()


def part(manifest: Mapping[str, Any], *path: str) -> dict[str, Any]:
    """A mapping inside an object; empty if it is missing."""
    found: Any = manifest
    for key in path:
        found = found.get(key) if isinstance(found, Mapping) else None
    return dict(found) if isinstance(found, Mapping) else {}


def text(manifest: Mapping[str, Any], *path: str) -> str:
    """A text or number inside an object; empty if it is missing."""
    found = part(manifest, *path[:-1]).get(path[-1])
    return "" if found is None else str(found)


def condition(manifest: Mapping[str, Any], name: str = "Ready") -> dict[str, Any]:
    """One condition of an object; empty where it has not been seen yet."""
    found = part(manifest, "status").get("conditions")
    listed = found if isinstance(found, list) else []
    return next((each for each in listed if isinstance(each, dict) and each.get("type") == name), {})


def readiness(manifest: Mapping[str, Any]) -> str:
    """The condition Ready with its reason and message, in one line."""
    ready = condition(manifest)
    said = ": ".join(filter(None, (str(ready.get("reason", "")), str(ready.get("message", "")))))
    return f"{ready['status']} ({said})" if ready else "not seen by avouch's controller yet"


def seen(manifest: Mapping[str, Any]) -> bool:
    """Whether the status is about the current generation of the spec."""
    generation = part(manifest, "metadata").get("generation")
    return generation is not None and part(manifest, "status").get("observedGeneration") == generation


def table(columns: Sequence[str], manifests: Sequence[Manifest], cells: Callable[[Manifest], Sequence[str]],
          *, everywhere: bool) -> output.Table:  # fmt: skip
    """A table of objects; with namespaces where they are of all."""
    return output.Table(
        (*(("NAMESPACE",) if everywhere else ()), "NAME", *columns),
        tuple(tuple(_row(manifest, cells, everywhere)) for manifest in manifests),
    )


def write(form: str, manifests: Sequence[Manifest], shown: output.Table) -> None:
    """Write a list of objects in the form that was asked for."""
    output.write(form, list(manifests), shown, [output.named(manifest) for manifest in manifests])


def _row(manifest: Manifest, cells: Callable[[Manifest], Sequence[str]], everywhere: bool) -> Iterator[str]:
    if everywhere:
        yield text(manifest, "metadata", "namespace")
    yield text(manifest, "metadata", "name")
    yield from cells(manifest)


def _one(argument: str | None, option: str | None, needed: bool) -> str:
    if argument and option and argument != option:
        raise click.UsageError(f"the names {argument!r} and --name {option!r} differ: give one of them")
    if needed and not (argument or option):
        raise click.UsageError("the name is missing: give NAME or --name NAME")
    return argument or option or ""


def _placed(started: session.Session, manifest: Manifest) -> Manifest:
    """The object with the namespace that was asked for, as kubectl create --dry-run writes it."""
    namespace = started.options.namespace
    metadata = manifest["metadata"]
    if not namespace or metadata.get("namespace") == namespace:
        return manifest
    if "namespace" in metadata:
        message = f"the file says namespace {metadata['namespace']}, the command line {namespace}"
        raise errors.Invalid(message, field="metadata.namespace", fix="keep one of them")
    return {**manifest, "metadata": {**metadata, "namespace": namespace}}


def _flags(dry_run: str) -> list[str]:
    return ["--dry-run=server"] if dry_run == "server" else []
