"""A Policy or PolicyGroup from the bytes of a file, in Chainloop's spelling or that of the cluster."""

from collections.abc import Mapping

from avouch import errors
from avouch.api import policy as kind
from avouch.contract import fields, policies, upstream
from avouch.contract.text import files, nodes


def read(content: bytes, name: str) -> kind.Policy | kind.PolicyGroup:
    """What a file declares.

    Raises:
        errors.Invalid: it breaks rules, or declares something else, or more; the message begins with its name.
    """
    found = files.read(content, name)
    for flaw in found.flaws:
        at = f"{name}:{flaw.place.line}:{flaw.place.column}"
        raise errors.Invalid(f"{at}: {flaw.message}", fix=flaw.fix)
    if len(found.documents) != 1:
        fix = "write each policy into a file of its own"
        raise errors.Invalid(f"{name}: has {len(found.documents)} documents, not one", fix=fix)
    tree = found.documents[0]
    document = nodes.plain(tree)
    if not isinstance(document, Mapping) or document.get("kind") not in policies.KINDS:
        raise errors.Invalid(f"{name}: is no Policy and no PolicyGroup", fix="write its apiVersion and kind")
    for unknown in fields.unknown(tree) if isinstance(tree, nodes.Table) else ():
        fix = f"did you mean {unknown.nearest}?" if unknown.nearest else f"use {', '.join(unknown.known)}"
        at = f"{name}:{unknown.place.line}:{unknown.place.column}"
        raise errors.Invalid(f"{at}: {unknown.path} is an unknown field", fix=fix)
    try:
        return policies.read(upstream.to_object(document))
    except errors.Invalid as exc:
        raise errors.Invalid(f"{name}: {exc}") from exc
