"""What a contract owes once its policies and groups are looked up: one view, which is recorded with the revision.

1. A reference names one Policy or PolicyGroup; a digest in it is that of the canonical form.
2. Materials of a group that have a name are materials of the contract, required unless they say optional; what the
   contract itself says of a material of that name stands.
3. Every policy has the inputs that it is given, those of a group's policies with the group's own inputs in them, and
   every required one has a value.
4. Its gate is what its attachment says, else what its group's attachment says, else what the organization says.
5. Scripts may ask the hosts that the organization lists; where no script asks any, none is recorded.

What cannot be resolved is told by its line, all of it at once; nothing of such a contract is recorded.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

import pydantic

from avouch import digests, errors, spelling
from avouch.api import contract as contract_kind
from avouch.api import policy as kind
from avouch.api import rules
from avouch.contract import model, owed, policies, reading
from avouch.policy import arguments, identity, scripts, templates
from avouch.values import dataclass

MATERIALS = 200  # as many as a contract may ask for itself
_NAME = re.compile(rules.DNS_1123, re.ASCII)


class Policies(Protocol):
    """Where policies and groups are looked up."""

    def policy(self, reference: str) -> kind.Policy:
        """The Policy of a reference, with every script in it.

        Raises:
            errors.Invalid: it cannot be used, with what would help.
            errors.NotFound: there is none; errors.Unavailable: it cannot be looked at now.
        """
        ...

    def group(self, reference: str) -> kind.PolicyGroup:
        """The PolicyGroup of a reference. Raises as `policy`."""
        ...

    def whole(self, policy: kind.Policy) -> kind.Policy:
        """A policy that stands in the contract or in a group, with every script in it. Raises as `policy`."""
        ...


@dataclass(frozen=True, slots=True)
class Resolved:
    """What a contract owes.

    Attributes:
        owed: its materials and policies.
        documents: each Policy that it names, by its digest, as JSON.
        notes: inputs that are given and that nobody declares: misspelt, most likely. In Chainloop, too, no error.
    """

    owed: owed.Owed
    documents: Mapping[str, bytes]
    notes: Sequence[reading.Problem] = ()


@dataclass(frozen=True, slots=True)
class Unresolved:
    """What cannot be resolved. `missing`: it heals by itself when what is named appears."""

    problem: reading.Problem
    missing: bool

    def __str__(self) -> str:
        return f"{self.problem.line}: {errors.with_fix(self.problem.message, self.problem.fix)}"


def resolve(
    contract: model.ContractSpec, known: Policies, *, blocks: bool = False, hosts: Sequence[str] = ()
) -> Resolved | Sequence[Unresolved]:
    """Look up everything that a contract refers to.

    Args:
        contract: one that can be read.
        known: where its references are looked up.
        blocks: whether its organization lets violations block where nothing else says so.
        hosts: those that scripts of its organization may ask.
    """
    found = _Resolving(contract, known, blocks).resolved()
    if not isinstance(found, Resolved) or not any(map(_may_send, found.documents.values())):
        return found
    return replace(found, owed=replace(found.owed, hosts=tuple(sorted(set(hosts)))))


class _Resolving:
    def __init__(self, contract: model.ContractSpec, known: Policies, blocks: bool) -> None:
        self._contract = contract
        self._known = known
        self._named: dict[str, kind.Policy] = {}  # policies by their references: each is read once
        self._blocks = blocks
        self._materials = {one.name: one for one in contract.materials}
        self._brought: dict[str, owed.Origin] = {}  # materials that groups bring
        self._bound: list[owed.Bound] = []
        self._documents: dict[str, bytes] = {}
        self._unresolved: list[Unresolved] = []
        self._notes: list[reading.Problem] = []

    def resolved(self) -> Resolved | Sequence[Unresolved]:
        for one in self._contract.material_policies:
            self._attach(one, owed.Bound("", "", _line(one, "materials")), {}, None)
        for one in self._contract.attestation_policies:
            self._attach(one, owed.Bound("", "", _line(one, "attestation"), attestation=True), {}, None)
        for group in self._contract.policy_groups:
            self._attach_group(group, f"spec.policyGroups[ref={json.dumps(group.ref)}]")
        if self._unresolved:
            return tuple(self._unresolved)
        found = owed.Owed(tuple(self._materials.values()), tuple(self._bound), self._brought)
        return Resolved(found, self._documents, tuple(self._notes))

    def _attach(
        self, one: model.PolicyAttachment, within: owed.Bound, given: Mapping[str, str], gate: bool | None
    ) -> None:
        """One attachment. `within`: what is known of it already; `given`: the inputs of its group, `gate`: its gate."""
        try:
            inputs = {name: templates.filled(text, given) if within.group else text for name, text in one.inputs}
            policy = self._known.whole(_embedded(one.embedded)) if one.embedded else self._policy(one.ref)
            name, document = policy.metadata.name, identity.canonical(policy)
            digest = str(digests.of_bytes(document))
            self._note_unknown(f"policy {name}", within.line, policy.spec.inputs, inputs)
            arguments.bound(name, policy.spec.inputs, inputs)
            blocks, said_by = self._gate(one.gate, gate)
            bound = replace(
                within,
                policy=name,
                digest=digest,
                reference=one.ref,
                material=within.material or one.selector_name,
                prefix=within.prefix if within.material else one.match_mode == "PREFIX",
                inputs=tuple(sorted(inputs.items())),
                gate=blocks,
                gate_by=said_by,
                requirements=one.requirements,
            )
            _check_kinds(policy, bound)
            self._check_type(policy, bound)
        except errors.AvouchError as exc:
            self._tell(within.line, exc)
            return
        self._bound.append(bound)
        self._documents[digest] = document

    def _check_type(self, policy: kind.Policy, bound: owed.Bound) -> None:
        """A policy that is for one material, or in a group for one type, has to judge it: else it is never asked."""
        material = None if bound.prefix or bound.attestation else self._materials.get(bound.material)
        judged, wanted = scripts.types(scripts.of(policy.spec)), bound.type if material is None else material.type
        if wanted and wanted not in judged:
            what = "its group asks for" if material is None else f"material {material.name} is"
            message = f"policy {bound.policy} judges {', '.join(judged)}, and {what} {wanted}"
            raise errors.Invalid(message, fix="attach a policy of that type, or correct the material's type")

    def _gate(self, attachment: bool | None, group: bool | None) -> tuple[bool, owed.GateBy]:
        """Whether a violation blocks, and what says so."""
        if attachment is not None:
            return attachment, owed.GateBy.ATTACHMENT
        if group is not None:
            return group, owed.GateBy.GROUP
        return self._blocks, owed.GateBy.ORGANIZATION

    def _attach_group(self, attached: model.PolicyGroupAttachment, line: str) -> None:
        try:
            group = self._known.group(attached.ref)
            name = group.metadata.name
            given = {
                **dict(attached.inputs),
                **arguments.texts(f"policy {name}", group.spec.inputs, dict(attached.inputs)),
            }
            names = {self._name_of(each) for _, each in attachments(group.spec)}
            for skipped in attached.skip:
                if skipped not in names:
                    raise errors.Invalid(f'policy "{skipped}" not found in policy group "{name}"', field="skip")
        except errors.AvouchError as exc:
            self._tell(line, exc)
            return
        self._note_unknown(f"policy group {name}", line, group.spec.inputs, dict(attached.inputs))
        said = group.spec.policies or kind.GroupPolicies()
        base = owed.Bound("", "", line, group=name, group_digest=str(identity.digest(group)))
        for index, material in enumerate(said.materials):
            place = f"{line}.materials[{index}]"
            try:
                within = self._within(replace(base, line=place), material, given)
            except errors.AvouchError as exc:
                self._tell(place, exc)
                continue
            for each in material.policies:
                self._attach_grouped(each, within, attached, given)
        within = replace(base, line=f"{line}.attestation", attestation=True)
        for other in said.attestation:
            self._attach_grouped(other, within, attached, given)

    def _within(self, base: owed.Bound, material: kind.GroupMaterial, given: Mapping[str, str]) -> owed.Bound:
        """What a material of a group selects; one that has a name of its own is a material of the contract."""
        named, type_ = templates.filled(material.name, given, "name"), str(material.type or "")
        if not material.name:
            return replace(base, type=type_)
        if material.match_mode == "PREFIX":
            return replace(base, material=named, prefix=True, type=type_)
        if not _NAME.fullmatch(named):
            raise errors.Invalid(f"{named!r} is no name of a material", field="name", fix="give the group its inputs")
        if named not in self._materials:
            if len(self._materials) >= MATERIALS:
                raise errors.TooLarge(f"the contract owes more than {MATERIALS} materials", fix="split the group")
            self._materials[named] = model.Material(named, type_, optional=material.optional)
            self._brought[named] = owed.Origin(base.line, base.group)
        return replace(base, material=named)

    def _attach_grouped(
        self, each: contract_kind.PolicyAttachment, within: owed.Bound, group: model.PolicyGroupAttachment,
        given: Mapping[str, str],
    ) -> None:  # fmt: skip
        if self._name_of(each) not in group.skip:
            self._attach(reading.policy_attachment(each), within, given, group.gate)

    def _note_unknown(
        self, owner: str, line: str, declared: Sequence[kind.PolicyInput], given: Mapping[str, str]
    ) -> None:
        """Note what is given and has no such input; an owner that declares none takes all."""
        known = [one.name for one in declared]
        for name in given if known else ():
            if name not in known:
                near = spelling.nearest(name, known)
                fix = f"did you mean {near}?" if near else f"it has {', '.join(known)}"
                self._notes.append(reading.Problem(f"{line}.with", f"{name} is no input of {owner}", fix))

    def _name_of(self, attached: contract_kind.PolicyAttachment) -> str:
        if attached.embedded is not None:
            return str((attached.embedded.get("metadata") or {}).get("name") or "")
        return self._policy(str(attached.ref)).metadata.name

    def _policy(self, reference: str) -> kind.Policy:
        if reference not in self._named:
            self._named[reference] = self._known.policy(reference)
        return self._named[reference]

    def _tell(self, line: str, exc: errors.AvouchError) -> None:
        field = getattr(exc, "field", "")
        where = line if not field or field == "with" else f"{line}.{field}"
        problem = reading.Problem(where, str(exc.args[0]), getattr(exc, "fix", ""))
        self._unresolved.append(Unresolved(problem, isinstance(exc, errors.NotFound | errors.Unavailable)))


def attachments(spec: kind.PolicyGroupSpec) -> Iterator[tuple[str, contract_kind.PolicyAttachment]]:
    """What a group attaches, with the place of each in its object."""
    said = spec.policies or kind.GroupPolicies()
    for index, material in enumerate(said.materials):
        for number, grouped in enumerate(material.policies):
            yield f"spec.policies.materials[{index}].policies[{number}]", grouped
    for number, each in enumerate(said.attestation):
        yield f"spec.policies.attestation[{number}]", each


def policy_of(document: bytes) -> kind.Policy:
    """A Policy from its canonical form. Raises errors.Corrupt."""
    try:
        return kind.Policy.model_validate(json.loads(document))
    except (pydantic.ValidationError, ValueError, RecursionError) as exc:
        raise errors.Corrupt(f"a policy that was kept cannot be read: {exc}"[:500]) from exc


def _may_send(document: bytes) -> bool:
    """Whether a script of a policy may call http.send: it has to spell the first word, which has no other spelling."""
    return any("http" in script.embedded for script in scripts.of(policy_of(document).spec))


def _line(one: model.PolicyAttachment, where: str) -> str:
    """By what it refers to, because the order of the list means nothing and may change."""
    what = f"ref={json.dumps(one.ref)}" if one.ref else "embedded"
    return f"spec.policies.{where}[{what}]"


def _embedded(text: str) -> kind.Policy:
    """Raises errors.Invalid."""
    found = policies.read({**json.loads(text), "apiVersion": "chainloop.dev/v1", "kind": "Policy"})
    if not isinstance(found, kind.Policy):
        raise errors.Invalid("is no Policy", field="embedded")
    return found


def _check_kinds(policy: kind.Policy, bound: owed.Bound) -> None:
    """A policy of no type judges whatever its attachment selects: it has to select something."""
    found = scripts.of(policy.spec)
    if bound.attestation or bound.group or bound.material or all(each.judges for each in found):
        return
    fix = "add selector.name, or give each script of the policy a kind"
    raise errors.Invalid(f"policy {bound.policy} names no kind of material, and the attachment none either", fix=fix)
