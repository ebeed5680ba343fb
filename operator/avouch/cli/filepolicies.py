"""Contracts, policies and groups of files, looked up in each other without a cluster."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from avouch import errors
from avouch.api import policy as kind
from avouch.cli import declared, objects, session, sources
from avouch.contract import owedview, policies, reading
from avouch.policy import identity, resolution
from avouch.values import dataclass

_SCHEME = "chainloop://"
_Kind = TypeVar("_Kind", kind.Policy, kind.PolicyGroup)


@dataclass(frozen=True, slots=True)
class Found:
    """What the contract of files owes; or what of it could not be looked up."""

    contract: str
    view: Mapping[str, Any]
    unresolved: Sequence[reading.Problem] = ()


class Files:
    """Implements `resolution.Policies`: by the names that the files declare, whatever organization is before them."""

    def __init__(self, manifests: Sequence[declared.Manifest]) -> None:
        self._found = {(each.get("kind"), objects.text(each, "metadata", "name")): each for each in manifests}

    def policy(self, reference: str) -> kind.Policy:
        """The Policy of a reference. Raises errors.Invalid."""
        return self._there(kind.Policy, reference)

    def group(self, reference: str) -> kind.PolicyGroup:
        """The PolicyGroup of a reference. Raises errors.Invalid."""
        return self._there(kind.PolicyGroup, reference)

    def _there(self, model: type[_Kind], reference: str) -> _Kind:
        bare, _, pin = reference.removeprefix(_SCHEME).partition("@")
        name, fix = bare.rpartition("/")[2], f"add -f FILE of the {model.__name__}"
        if "://" in bare or ":" in bare:
            text = f"{bare.partition(':')[0]} references cannot be looked up here"
            raise errors.Invalid(text, fix=f"{fix}, and write its name")
        manifest = self._found.get((model.__name__, name))
        if manifest is None:
            raise errors.Invalid(f"{model.__name__} {name} is not in these files", fix=f"{fix}, or ask the cluster")
        found = policies.read(manifest)
        if not isinstance(found, model):
            raise errors.Invalid(f"{name} is no {model.__name__}")
        if pin and pin != str(identity.digest(found)):
            text = f"the digest of {model.__name__} {name} is {identity.digest(found)}, not {pin}"
            raise errors.Invalid(text, fix="name the file that has it, or write its digest")
        return found


def resolved(started: session.Session, files: Sequence[str]) -> Found:
    """What the one contract of files owes.

    Raises:
        errors.Invalid: a file has errors, or they declare another number of contracts.
    """
    manifests = declared.manifests(sources.read(started, files))
    contracts = [each for each in manifests if each.get("kind") == "Contract"]
    if len(contracts) != 1:
        fix = "name one contract, and the policies that it refers to"
        raise errors.Invalid(f"the files declare {len(contracts)} Contracts, not one", field="--filename", fix=fix)
    contract = reading.read(contracts[0])
    found = resolution.resolve(contract, Files(manifests))
    if isinstance(found, resolution.Resolved):
        return Found(contract.name, owedview.whole(found.owed))
    return Found(contract.name, {}, tuple(each.problem for each in found))
