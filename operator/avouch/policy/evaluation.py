"""One policy on one material: every script that judges it, and what they say together."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from avouch import errors
from avouch.api import policy as kind
from avouch.policy import arguments, documents, outcome, rego, scripts
from avouch.values import dataclass


class Engine(Protocol):
    """What runs Rego."""

    def parsed(self, source: str) -> Mapping[str, Any] | Sequence[rego.Flaw]:
        """The syntax tree of a script, or what is wrong with it."""
        ...

    def checked(self, source: str) -> Sequence[rego.Flaw]:
        """What keeps a script from being compiled."""
        ...

    def evaluated(self, source: str, path: Sequence[str], document: str) -> Any:
        """The value below `data` at a path.

        Raises:
            errors.Invalid: the script does not compile, fails on this input, or takes more than it may.
            errors.NotFound: it has no value there.
        """
        ...


@dataclass(frozen=True, slots=True)
class Material:
    """What is judged. `known` is what scripts see as chainloop_metadata."""

    type: str
    content: bytes
    known: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What a policy says of a material: the outcome, None where it has nothing to say; and what its author should know."""

    outcome: outcome.Outcome | None
    notes: Sequence[str] = ()


def evaluate(engine: Engine, policy: kind.Policy, material: Material, given: Mapping[str, str]) -> Evaluation:
    """Run every script of the policy that judges the material.

    Raises:
        errors.Invalid: the policy, its arguments or the material cannot be evaluated; nothing was judged.
        errors.NotFound: a script has no result for this material.
    """
    chosen = scripts.judging(scripts.of(policy.spec), material.type)
    document, notes = shown(policy, material, given)
    said = [_outcome(engine, one, document) for one in chosen]
    return Evaluation(outcome.combined(said), notes)


def shown(policy: kind.Policy, material: Material, given: Mapping[str, str]) -> tuple[str, Sequence[str]]:
    """What the scripts see of a material, as JSON, and what their author should know. Raises errors.Invalid."""
    name = policy.metadata.name
    bound = arguments.bound(name, policy.spec.inputs, given)
    document = documents.of_material(material.type, material.content, bound.values, material.known)
    return document, [f"{each} is no input of policy {name}, and is left out" for each in bound.undeclared]


def flaws(engine: Engine, script: scripts.Script) -> Sequence[rego.Flaw]:
    """What keeps a script from being evaluated; nothing is told of one that stands elsewhere."""
    if not script.embedded:
        return ()
    parsed = engine.parsed(script.embedded)
    if not isinstance(parsed, Mapping):
        return parsed
    try:
        module = rego.module_of(parsed)
    except errors.Invalid as exc:
        return (rego.Flaw(str(exc)),)
    return engine.checked(rego.completed(script.embedded, module))


def _outcome(engine: Engine, script: scripts.Script, document: str) -> outcome.Outcome:
    if not script.embedded:
        fix = "write the script into embedded"
        raise errors.Invalid(f"scripts of {script.reference} are not read yet", field=script.place, fix=fix)
    parsed = engine.parsed(script.embedded)
    if not isinstance(parsed, Mapping):
        raise errors.Invalid("; ".join(map(str, parsed)), field=script.place)
    module = rego.module_of(parsed)
    try:
        result = engine.evaluated(rego.completed(script.embedded, module), (*module.package, rego.RESULT), document)
        return outcome.read(result)
    except errors.Invalid as exc:
        where = ".".join(part for part in (script.place, exc.field) if part)
        raise errors.Invalid(exc.args[0], field=where, fix=exc.fix) from exc
