"""Where scripts stand that a policy names instead of having them in it, and the policy with those in it.

1. A script is at an address of its own (`https://...`), or beside its policy: `file://PATH`, or a path alone.
2. Beside a file is from its folder; beside what lies on the web is from its address.
3. What lies on the web names no file of those who refer to it, and what lies in a registry has all scripts in itself.
4. A digest behind it, `@sha256:...`, is that of its bytes.

Scripts become a part of the policy before anything else is made of it: so its digest is of all that it judges by.
"""

import posixpath
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar
from urllib.parse import urljoin

from avouch import errors
from avouch.api import policy as kind
from avouch.contract import references
from avouch.policy import scripts

MOST = 512 * 1024  # bytes of a script, as many as one that is embedded may have
ALL = 1024 * 1024  # bytes of all scripts of a policy that stand elsewhere, as many as an object of the cluster has
FILE, OCI = "file://", "oci://"
WEB = ("https://", "http://")
_One = TypeVar("_One", kind.Script, kind.PolicySpec)

Content = Callable[[str], bytes]
"""The bytes behind a reference. Raises errors.NotFound, errors.Unavailable or errors.Invalid."""


def whole(policy: kind.Policy, place: str, content: Content) -> kind.Policy:
    """The policy with every script in it.

    Args:
        policy: the policy.
        place: where it stands; an object of the cluster stands at "file://".
        content: reads what stands elsewhere.

    Raises:
        errors.Invalid: a script cannot be read as one; `field` is its place.
        errors.NotFound, errors.Unavailable: as `content`.
    """
    found, left = {}, ALL
    for one in scripts.of(policy.spec):
        if one.reference:
            found[one.place] = _placed(one, place, content)
            left -= len(found[one.place].embedded.encode())
    if left < 0:
        fix = "write several policies"
        raise errors.TooLarge(f"its scripts have more than {ALL} bytes in all", field="spec", fix=fix)
    return policy.model_copy(update={"spec": _filled(policy.spec, found)}) if found else policy


def loaded(script: scripts.Script, place: str, content: Content) -> scripts.Script:
    """A script that stands elsewhere, with its text. Raises as `whole`, but without its place."""
    reference = beside(place, script.reference)
    said = content(reference)
    references.hold(reference, said)
    return replace(script, embedded=_text(reference, said))


def beside(place: str, reference: str) -> str:
    """Where a script stands, from where its policy stands.

    >>> beside("file://policies/sbom.yaml", "sbom.rego")
    'file://policies/sbom.rego'
    >>> beside("https://policies.example/a/sbom.yaml", "../sbom.rego")
    'https://policies.example/sbom.rego'

    Raises:
        errors.Invalid: nowhere that may be looked at.
    """
    bare, pin = references.parted(reference)
    scheme, separator, path = bare.partition("://")
    if separator and f"{scheme}://" != FILE:
        return reference
    if place.startswith(OCI):
        fix = "write the script into embedded"
        raise errors.Invalid(f"nothing lies beside a policy of a registry, such as {bare[:200]}", fix=fix)
    if place.startswith(WEB):
        if separator:
            message = f"a policy on the web names no file of others, such as {bare[:200]}"
            raise errors.Invalid(message, fix="write the path from the policy's own address, without file://")
        found = _from_address(references.parted(place)[0], bare)
    else:
        found = FILE + _from_folder(posixpath.dirname(place.removeprefix(FILE)), path if separator else bare)
    return f"{found}@{pin}" if pin else found


def _placed(script: scripts.Script, place: str, content: Content) -> scripts.Script:
    try:
        return loaded(script, place, content)
    except errors.Invalid as exc:
        raise errors.Invalid(exc.args[0], field=script.place, fix=exc.fix) from exc
    except (errors.NotFound, errors.Unavailable) as exc:
        raise type(exc)(f"{script.place}: {exc}") from exc


def _from_address(address: str, path: str) -> str:
    try:
        return urljoin(address, path)
    except ValueError as exc:
        raise errors.Invalid(f"{path[:200]!r} is no path: {exc}", fix="write it from the policy's own address") from exc


def _from_folder(folder: str, path: str) -> str:
    if posixpath.isabs(path):
        raise errors.Invalid(f"{path[:200]} is an absolute path", fix="write it from the folder of the policy")
    return posixpath.join(folder, path)


def _text(reference: str, content: bytes) -> str:
    if len(content) > MOST:
        raise errors.TooLarge(f"{reference[:200]} has more than {MOST} bytes", fix="write several scripts")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        fix = "name a script in Rego; WebAssembly is not evaluated"
        raise errors.Invalid(f"{reference[:200]} is no text in UTF-8", fix=fix) from exc
    if not text.strip():
        raise errors.Invalid(f"{reference[:200]} is empty", fix="write the script into it")
    return text


def _filled(spec: kind.PolicySpec, found: Mapping[str, scripts.Script]) -> kind.PolicySpec:
    """The spec with the texts of scripts, which are known by their places."""
    listed: Sequence[scripts.Script] = scripts.of(spec)
    if not spec.policies:
        return _having(spec, found[listed[0].place])
    said = [
        _having(one, found[script.place]) if script.place in found else one
        for one, script in zip(spec.policies, listed, strict=True)
    ]
    return spec.model_copy(update={"policies": said})


def _having(one: _One, script: scripts.Script) -> _One:
    gone: dict[str, Any] = {name: None for name in ("path", "ref") if hasattr(one, name)}
    return one.model_copy(update={**gone, "embedded": script.embedded})
