"""Contracts, policies and groups of files, looked up in each other and in what they name, without a cluster."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from avouch import errors
from avouch.api import policy as kind
from avouch.cli import declared, objects, policyfiles, session, sources
from avouch.contract import owedview, policies, reading, references
from avouch.contract import policyfiles as contract_files
from avouch.policy import identity, places, resolution
from avouch.values import dataclass

_Kind = TypeVar("_Kind", kind.Policy, kind.PolicyGroup)


@dataclass(frozen=True, slots=True)
class Found:
    """What the contract of files owes; or what of it could not be looked up."""

    contract: str
    view: Mapping[str, Any]
    unresolved: Sequence[reading.Problem] = ()
    notes: Sequence[reading.Problem] = ()


class Files:
    """Implements `resolution.Policies`: by the names that the files declare, whatever organization is before them.

    What is named by `file://` is looked for from the working directory, as Chainloop does.
    """

    def __init__(self, started: session.Session, manifests: Sequence[declared.Manifest]) -> None:
        self._started = started
        self._found = {(each.get("kind"), objects.text(each, "metadata", "name")): each for each in manifests}

    def policy(self, reference: str) -> kind.Policy:
        """The Policy of a reference. Raises errors.Invalid, errors.NotFound or errors.Unavailable."""
        if references.elsewhere(reference):
            found = self._read(kind.Policy, reference)
            return places.whole(found, references.parted(reference)[0], self._content)
        return self.whole(self._there(kind.Policy, reference))

    def group(self, reference: str) -> kind.PolicyGroup:
        """The PolicyGroup of a reference. Raises as `policy`."""
        return (self._read if references.elsewhere(reference) else self._there)(kind.PolicyGroup, reference)

    def whole(self, policy: kind.Policy) -> kind.Policy:
        """A policy that stands in these files, with every script in it. Raises as `policy`."""
        return places.whole(policy, places.FILE, self._content)

    def _content(self, reference: str) -> bytes:
        return policyfiles.content(self._started, reference)

    def _read(self, model: type[_Kind], reference: str) -> _Kind:
        said = self._content(reference)
        references.hold(reference, said)
        found = contract_files.read(said, references.parted(reference)[0])
        if not isinstance(found, model):
            raise errors.Invalid(f"is no {model.__name__}")
        return found

    def _there(self, model: type[_Kind], reference: str) -> _Kind:
        bare, pin = references.parted(reference.removeprefix(references.NAMED))
        name, fix = bare.rpartition("/")[2], f"add -f FILE of the {model.__name__}"
        if ":" in bare:
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
    found = resolution.resolve(contract, Files(started, manifests))
    if isinstance(found, resolution.Resolved):
        return Found(contract.name, owedview.whole(found.owed), notes=found.notes)
    return Found(contract.name, {}, tuple(each.problem for each in found))
