"""Inputs that the caller of one run gives to policies: `[policy:]input=value`.

A scope is the name of a policy, [provider:][organization/]name, or the whole reference, each with a digest or
without. Of several scopes that match, the one that says most about the policy wins. One that says an organization, a
provider or a digest matches no reference that says another.
"""

from collections.abc import Iterable, Mapping, Sequence

from avouch import errors
from avouch.contract import references
from avouch.values import dataclass

_FORM = "write [policy:]input=value, such as sbom-age:max_days=30"


@dataclass(frozen=True, slots=True)
class RuntimeInput:
    """One input. `scope`: of the policies that get it; "" for all. `appends`: to what the attachment says."""

    scope: str
    name: str
    value: str
    appends: bool = False


@dataclass(frozen=True, slots=True)
class Attached:
    """A policy as a contract has it: its own name, and the reference; "" where it is embedded."""

    name: str
    reference: str = ""


@dataclass(frozen=True, slots=True)
class _Scope:
    """What a scope or a reference says: `place` is provider, organization or what else stands before the name."""

    name: str
    place: str
    digest: str

    @property
    def says(self) -> int:
        return 2 * bool(self.digest) + bool(self.place)


def read(said: str, *, appends: bool = False) -> RuntimeInput:
    """Read one, as it is written on a command line.

    >>> read("acme/sbom-age:max_days=30")
    RuntimeInput(scope='acme/sbom-age', name='max_days', value='30', appends=False)

    Raises:
        errors.Invalid: it has no input, no value, or a scope without a name.
    """
    place, equals, value = said.partition("=")
    scope, colon, name = place.rpartition(":")  # a reference may have colons, an input's name has none
    if not equals or not value.strip():
        raise _wrong(said, "has no value")
    if colon and not scope.strip():
        raise _wrong(said, "has no policy before the colon")
    if scope.strip().endswith("@sha256"):
        raise _wrong(said, "has no input after the digest")
    if not name.strip():
        raise _wrong(said, "has no input")
    return RuntimeInput(scope.strip(), name.strip(), value.strip(), appends)


def applied(given: Mapping[str, str], to: Attached, inputs: Iterable[RuntimeInput]) -> Mapping[str, str]:
    """What an attachment gives, with the inputs of this run.

    Those that append become further lines; the others then stand in place of what was there.
    """
    mine = sorted((one for one in inputs if _matches(one.scope, to)), key=_weight)
    made = dict(given)
    for one in (each for each in mine if each.appends):
        made[one.name] = "\n".join(text for text in (made.get(one.name, ""), one.value) if text)
    return {**made, **{one.name: one.value for one in mine if not one.appends}}


def unmatched(inputs: Iterable[RuntimeInput], attached: Sequence[Attached]) -> Sequence[str]:
    """A note on each scope that is none of a policy: most likely it is misspelt."""
    scopes = {one.scope for one in inputs if one.scope}
    lost = sorted(scope for scope in scopes if not any(_matches(scope, each) for each in attached))
    return [f"no policy of the contract is {scope}: its inputs have no effect" for scope in lost]


def _weight(one: RuntimeInput) -> tuple[int, str]:
    """The order in which they are applied: the last wins, and the same inputs always have the same result."""
    return (_parsed(one.scope).says if one.scope else -1, one.scope)


def _matches(scope: str, to: Attached) -> bool:
    if scope in ("", to.name) or scope == to.reference:
        return True
    wanted, has = _parsed(scope), _parsed(to.reference)
    named = bool(wanted.name) and wanted.name in (has.name, to.name)
    placed = not wanted.place or not has.place or wanted.place == has.place
    return named and placed and wanted.digest in ("", has.digest)


def _parsed(text: str) -> _Scope:
    bare, digest = references.parted(text.removeprefix(references.NAMED))
    cut = max(bare.rfind("/"), bare.rfind(":")) + 1
    return _Scope(bare[cut:], bare[:cut], digest)


def _wrong(said: str, what: str) -> errors.Invalid:
    return errors.Invalid(f"{said[:200]!r} {what}", field="--policy-input", fix=_FORM)
