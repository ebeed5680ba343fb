"""One policy on one material: every script that judges it, and what they say together."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import field, replace
from datetime import datetime
from types import MappingProxyType
from typing import Any, Protocol

from avouch import errors
from avouch.api import policy as kind
from avouch.contract import reading
from avouch.policy import arguments, documents, outcome, rego, scripts
from avouch.values import dataclass

NAME_HOSTS = (
    "list the hosts in spec.settings.policiesAllowedHostnames of the Organization; on your machine, give --allow-host"
)
"""What helps where a script may not ask a host."""


def engine_of(version: str) -> str:
    """How the engine is named to users, such as OPA 1.22.3; "" where its version is not known."""
    return f"OPA {version}" if version else ""


class Asked(Protocol):
    """A document that scripts are asked about."""

    @property
    def waited(self) -> float:
        """Seconds for which it waited until others were done, so far."""
        ...

    async def ask(
        self,
        script: rego.Compiled,
        beside: Mapping[str, Any],
        at: datetime | None = None,
        hosts: Sequence[str] = (),
    ) -> Any:
        """The result of a script for the document, with more fields beside those of the document.

        Args:
            script: the script.
            beside: the fields.
            at: the time that the script takes for now; None: now.
            hosts: those that it may ask.

        Raises:
            errors.Invalid: it fails on this input, or asks another host; errors.TooLarge: it takes more than it may.
            errors.NotFound: it has no result for this input.
        """
        ...


class Compiler(Protocol):
    """What compiles Rego."""

    @property
    def version(self) -> str:
        """Its release; "" until it was needed."""
        ...

    async def compiled(self, source: str) -> rego.Compiled | Sequence[rego.Flaw]:
        """A script as an engine holds it, or what keeps it from being compiled.

        Raises:
            errors.TooLarge: compiling it takes more than it may.
            errors.NotInstalled: there is no compiler on this machine.
            errors.Unavailable: it did not come to an end; it may another time.
        """
        ...


class Engine(Compiler, Protocol):
    """What runs Rego."""

    def document(self, tenant: str, content: bytes) -> AbstractAsyncContextManager[Asked]:
        """Hold a document, which is JSON, to ask scripts about it; nothing of two tenants is in one place."""
        ...


@dataclass(frozen=True, slots=True)
class Ahead:
    """A question that is asked before somebody needs its answer.

    Attributes:
        document: what is asked about, as JSON.
        script: one that lasts.
        beside: more fields, beside those of the document.
    """

    document: bytes
    script: rego.Compiled
    beside: Mapping[str, Any]


class Joining(Engine, Protocol):
    """An engine that can be asked many questions by one request."""

    async def together(self, tenant: str, asked: Sequence[Ahead]) -> Mapping[int, Any]:
        """The results by the places of the questions; none of those that have no result.

        Raises:
            errors.Invalid: one of them fails; which one is not said.
            errors.TooLarge: all together take more than one may alone, or longer than a moment.
            errors.Unavailable: the engine cannot answer now.
        """
        ...


class Memory(Protocol):
    """What remembers answers."""

    async def foresee(self, tenant: str, asked: Sequence[Ahead]) -> None:
        """Have answers remembered, so that nobody waits for the engine who asks for them next.

        What cannot be asked in this way is asked when it is needed, as if nobody had foreseen it.
        """
        ...


@dataclass(frozen=True, slots=True)
class Material:
    """What is judged.

    Attributes:
        type: its type.
        content: its bytes.
        known: what scripts see as chainloop_metadata.
        document: what scripts see, where that is not to be made of the bytes.
        own: what scripts see beside it that Chainloop does not have, by name.
        at: the time that scripts take for now; None: now.
        hosts: those that scripts may ask with http.send.
    """

    type: str
    content: bytes
    known: Mapping[str, Any]
    document: bytes | None = None
    own: Mapping[str, Any] = field(default_factory=dict)
    at: datetime | None = None
    hosts: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What a policy says of a material: the outcome, None where it has none; and what its author should know."""

    outcome: outcome.Outcome | None
    notes: Sequence[str] = ()


async def evaluate(
    engine: Engine, policy: kind.Policy, material: Material, given: Mapping[str, str], *, tenant: str = ""
) -> Evaluation:
    """Run every script of the policy that judges the material.

    Raises:
        errors.Invalid: the policy, its arguments or the material cannot be evaluated; nothing was judged.
        errors.NotFound: a script has no result for this material.
    """
    chosen = scripts.judging(scripts.of(policy.spec), material.type)
    asking, notes = question(policy, given, material.known, material.own, material.at)
    asking = replace(asking, hosts=material.hosts)
    async with engine.document(tenant, _document(material)) as asked:
        found = await asked_about(engine, asked, chosen, asking)
    return Evaluation(found, (*notes, *(found.notes if found else ())))


@dataclass(frozen=True, slots=True)
class Question:
    """What scripts of one policy are asked.

    Attributes:
        beside: what they see beside the document.
        finding_type: of the policy's findings; "" for none.
        at: the time that they take for now; None: now.
        hosts: those that they may ask.
    """

    beside: Mapping[str, Any]
    finding_type: str = ""
    at: datetime | None = None
    hosts: Sequence[str] = ()


async def asked_about(
    engine: Engine, asked: Asked, chosen: Sequence[scripts.Script], question: Question
) -> outcome.Outcome | None:
    """What scripts of one policy say together; None where each ignores the document. Raises as `evaluate`."""
    return outcome.combined([await _outcome(engine, asked, one, question) for one in chosen])


def question(
    policy: kind.Policy,
    given: Mapping[str, str],
    known: Mapping[str, Any],
    own: Mapping[str, Any] = MappingProxyType({}),
    at: datetime | None = None,
) -> tuple[Question, Sequence[str]]:
    """What the scripts of a policy are asked, and what their author should know. Raises errors.Invalid."""
    name = policy.metadata.name
    bound = arguments.bound(name, policy.spec.inputs, given)
    beside = documents.beside(bound.values, known, own)
    notes = [f"{each} is no input of policy {name}, and is left out" for each in bound.undeclared]
    return Question(beside, policy.metadata.annotations.get(reading.FINDING_TYPE, ""), at), notes


def shown(
    policy: kind.Policy, material: Material, given: Mapping[str, str]
) -> tuple[bytes, Mapping[str, Any], Sequence[str]]:
    """What the scripts see of a material, what they see beside it, and what their author should know.

    Raises:
        errors.Invalid: an input of the policy is missing, or the material cannot be shown.
    """
    asking, notes = question(policy, given, material.known, material.own)
    return _document(material), asking.beside, notes


def _document(material: Material) -> bytes:
    if material.document is not None:
        return material.document
    return documents.of_material(material.type, material.content)


async def flaws(compiler: Compiler, script: scripts.Script) -> Sequence[rego.Flaw]:
    """What keeps a script from being evaluated; nothing is told of one that stands elsewhere."""
    if not script.embedded:
        return ()
    made = await compiler.compiled(script.embedded)
    return () if isinstance(made, rego.Compiled) else made


async def _outcome(engine: Engine, asked: Asked, script: scripts.Script, question: Question) -> outcome.Outcome:
    if not script.embedded:
        fix = "write the script into embedded"
        raise errors.Invalid(f"{script.reference} was not read with the policy", field=script.place, fix=fix)
    made = await engine.compiled(script.embedded)
    if not isinstance(made, rego.Compiled):
        raise errors.Invalid("; ".join(map(str, made)), field=script.place)
    if made.sends and not question.hosts:
        raise errors.Invalid("calls http.send, and no host may be asked", field=script.place, fix=NAME_HOSTS)
    try:
        said = await asked.ask(made, question.beside, question.at, question.hosts)
        return outcome.read(said, question.finding_type)
    except errors.Invalid as exc:
        where = ".".join(part for part in (script.place, exc.field) if part)
        raise errors.Invalid(exc.args[0], field=where, fix=exc.fix) from exc
