"""Who evaluates a policy for a command: OPA on this machine, or the server by a PolicyReview."""

import contextlib
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

import click

from avouch import errors, rfc3339
from avouch.api import policy as kind
from avouch.cli import ports, session
from avouch.materials.readers import jsons
from avouch.policy import evaluation, identity, outcome
from avouch.values import dataclass

_PATH = "/apis/runs.avouch.dev/v1alpha1/namespaces/{}/policyreviews"
server_option = click.option(
    "--on-server", "on_server", is_flag=True, help="Have the server evaluate, instead of OPA on this machine."
)
allow_host = click.option(
    "--allow-host", "--allowed-hostnames", "hosts", multiple=True, metavar="HOST",
    callback=lambda _context, _option, said: tuple(host for each in said for host in each.split(",") if host),
    help="A host that scripts may ask with http.send.",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Where:
    """Where policies are evaluated: by the server, or on this machine, where scripts may ask some hosts."""

    on_server: bool = False
    hosts: tuple[str, ...] = ()


class Evaluator(Protocol):
    """Evaluates policies."""

    @property
    def engine(self) -> str:
        """What evaluated last, such as OPA 1.22.3."""
        ...

    async def evaluate(
        self, policy: kind.Policy, material: evaluation.Material, given: Mapping[str, str]
    ) -> evaluation.Evaluation:
        """What the policy says of the material. Raises as `evaluation.evaluate`."""
        ...


@contextlib.asynccontextmanager
async def opened(started: session.Session, where: Where) -> AsyncIterator[Evaluator]:
    """Who evaluates.

    Raises:
        errors.NotInstalled: this machine should, and has no OPA.
        errors.Invalid: the server should, and hosts are named, which it lets nobody choose.
    """
    if where.on_server:
        if where.hosts:
            fix = "leave --on-server out, or --allow-host"
            raise errors.Invalid("scripts that the server tries ask no host", field="--allow-host", fix=fix)
        yield _Server(started.cluster)
        return
    async with started.adapters.rego() as engine:
        yield _Machine(engine, where.hosts)


class _Machine:
    def __init__(self, engine: ports.Rego, hosts: Sequence[str]) -> None:
        self._engine, self._hosts = engine, hosts

    @property
    def engine(self) -> str:
        return evaluation.engine_of(self._engine.version)

    async def evaluate(
        self, policy: kind.Policy, material: evaluation.Material, given: Mapping[str, str]
    ) -> evaluation.Evaluation:
        return await evaluation.evaluate(self._engine, policy, replace(material, hosts=self._hosts), given)


class _Server:
    """What scripts see is made here: the server is sent no report that is not JSON."""

    def __init__(self, cluster: ports.Cluster) -> None:
        self._cluster = cluster
        self.engine = "the server"

    async def evaluate(
        self, policy: kind.Policy, material: evaluation.Material, given: Mapping[str, str]
    ) -> evaluation.Evaluation:
        document, _, _ = evaluation.shown(policy, material, given)
        spec: dict[str, Any] = {
            "policy": json.loads(identity.canonical(policy)),
            "type": material.type,
            "document": jsons.load(document),
            "metadata": dict(material.known),
            "inputs": dict(given),
        }
        if "avouch" in material.own:
            spec["run"] = material.own["avouch"]["run"]
        if material.at is not None:
            spec["at"] = rfc3339.write(material.at)
        review = {"apiVersion": "runs.avouch.dev/v1alpha1", "kind": "PolicyReview", "spec": spec}
        status = self._cluster.post(_PATH.format(self._cluster.namespace()), review)["status"]
        self.engine = f"{status.get('engine', '')} of the server"
        return _evaluation(status)


def _evaluation(status: Mapping[str, Any]) -> evaluation.Evaluation:
    """Raises errors.Invalid where the server could not evaluate it."""
    message, said, notes = str(status.get("message") or ""), status.get("outcome"), status.get("notes") or ()
    if said == "Ignored":
        return evaluation.Evaluation(None, notes)
    if said not in ("Passed", "Violated", "Skipped"):
        text, fix = errors.parted(message)
        raise errors.Invalid(text or f"the server says {said!r}", fix=fix)
    found = outcome.Outcome(
        violations=_violations(status.get("violations")),
        more=int(status.get("more") or 0),
        skipped=message if said == "Skipped" else "",
        suppressed=_violations(status.get("suppressed")),
        more_suppressed=int(status.get("moreSuppressed") or 0),
    )
    return evaluation.Evaluation(found, notes)


def _violations(found: Any) -> list[outcome.Violation]:
    return [outcome.Violation(str(one.get("message")), one.get("finding")) for one in found or ()]
