"""An attestation under construction: one frozen value, and its JSON form of a version that is never guessed.

The form holds materials as the descriptors that the statement will carry, so that reading a state checks what it says
of them with the same code: content that does not hash to its digest does not come back.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from avouch import errors, rfc3339
from avouch.attestation import materials as attestation_materials
from avouch.attestation import shape, statement, strictjson
from avouch.crafting import run as crafting_run

FORMAT = "avouch-attestation-state"
VERSION = 1
MAX_STATE = 6 * 1024 * 1024  # bytes, as in Chainloop; the server keeps no more of a remote state

_FIELDS = frozenset(
    {"format", "version", "server", "dryRun", "initializedAt", "runner", "run", "env", "annotations", "commit"}
    | {"materials"}
)


class State(NamedTuple):
    """An attestation in progress.

    Attributes:
        run: what the server said at the start.
        initialized: when the run was opened, by this machine's clock.
        server: the server that the run belongs to; a later command talks to no other.
        runner_type: the runner that was found; empty for the generic one.
        runner_url: its page of this job.
        dry_run: nothing is recorded on the server.
        env: recorded variables.
        annotations: of the attestation; the contract's own values from the start.
        commit: the subject `git.head`, where the work lies in a git repository.
        materials: in the order in which they were first added.
    """

    run: crafting_run.Run
    initialized: datetime
    server: str = ""
    runner_type: str = ""
    runner_url: str = ""
    dry_run: bool = False
    env: Mapping[str, str] = {}  # never changed
    annotations: Mapping[str, str] = {}  # never changed
    commit: statement.ResourceDescriptor | None = None
    materials: tuple[attestation_materials.Material, ...] = ()

    def of(self, name: str) -> attestation_materials.Material | None:
        """The material of this name."""
        return next((each for each in self.materials if each.name == name), None)

    def with_material(self, added: attestation_materials.Material) -> "State":
        """With a material, in the place of an earlier one of the same name."""
        if self.of(added.name) is None:
            return self._replace(materials=(*self.materials, added))
        return self._replace(materials=tuple(added if each.name == added.name else each for each in self.materials))


def begin(facts: State) -> State:
    """A state as it starts out: with the annotations whose values the contract itself gives."""
    fixed = {each.name: each.value for each in facts.run.plan.annotations if each.value}
    return facts._replace(annotations={**facts.annotations, **fixed})


def write(state: State) -> bytes:
    """The bytes to keep. Equal states give equal bytes.

    Raises:
        TooLarge: more than a state may have.
        Invalid: a value that JSON cannot hold.
    """
    content = strictjson.dumps(
        {
            "format": FORMAT,
            "version": VERSION,
            "server": state.server,
            "dryRun": state.dry_run,
            "initializedAt": rfc3339.write(state.initialized),
            "runner": {"type": state.runner_type, "url": state.runner_url},
            "run": crafting_run.write(state.run),
            "env": dict(state.env),
            "annotations": dict(state.annotations),
            "commit": None if state.commit is None else statement.to_dict(state.commit),
            "materials": [_written(each) for each in state.materials],
        }
    )
    if len(content) > MAX_STATE:
        message = f"the attestation state would have {len(content)} bytes, at most {MAX_STATE}"
        raise errors.TooLarge(message, fix="store materials in a backend instead of the statement, or skip_upload")
    return content


def read(content: bytes) -> State:
    """What `write` wrote.

    Raises:
        Invalid: no state, one that was damaged, or one that another version of avouch wrote.
        TooLarge: more bytes than any state has.
    """
    fields = shape.mapping(_json(content), "state")
    _check_version(fields)
    unknown = sorted(set(fields) - _FIELDS)
    if unknown:
        raise errors.Invalid(f"unknown field {unknown[0][:80]!r}", field="state", fix=_START_ANEW)
    runner = shape.mapping(fields.get("runner"), "state.runner")
    commit = fields.get("commit")
    return State(
        run=crafting_run.read(fields.get("run")),
        initialized=rfc3339.read(shape.text(fields.get("initializedAt"), "state.initializedAt"), "state.initializedAt"),
        server=shape.text(fields.get("server"), "state.server"),
        runner_type=shape.text(runner.get("type"), "state.runner.type"),
        runner_url=shape.text(runner.get("url"), "state.runner.url"),
        dry_run=shape.optional_flag(fields.get("dryRun"), "state.dryRun"),
        env=shape.texts(fields.get("env"), "state.env"),
        annotations=shape.texts(fields.get("annotations"), "state.annotations"),
        commit=None if commit is None else statement.descriptor_from_json(commit, "state.commit"),
        materials=_materials(shape.sequence(fields.get("materials"), "state.materials")),
    )


_START_ANEW = "start over with `attestation init --replace`, or use the avouch that wrote it"


def _json(content: bytes) -> object:
    try:
        return strictjson.loads(content, max_bytes=MAX_STATE)
    except errors.TooLarge:
        raise
    except errors.Invalid as exc:
        raise errors.Invalid(f"not the state of an attestation: {exc}", field="state", fix=_START_ANEW) from exc


def _check_version(fields: Mapping[str, object]) -> None:
    if fields.get("format") != FORMAT:
        raise errors.Invalid("not the state of an attestation", field="state.format", fix=_START_ANEW)
    version = fields.get("version")
    if version != VERSION or isinstance(version, bool):
        message = f"written in version {str(version)[:20]} of the form, this avouch reads version {VERSION}"
        raise errors.Invalid(message, field="state.version", fix=_START_ANEW)


def _written(material: attestation_materials.Material) -> dict[str, object]:
    return {"output": material.output, "material": statement.to_dict(attestation_materials.descriptor(material))}


def _materials(values: list[object]) -> tuple[attestation_materials.Material, ...]:
    found = tuple(_material(value, f"state.materials[{i}]") for i, value in enumerate(values))
    names = [each.name for each in found]
    if len(set(names)) != len(names):
        raise errors.Invalid("a material is there twice", field="state.materials", fix=_START_ANEW)
    return found


def _material(value: object, where: str) -> attestation_materials.Material:
    fields = shape.mapping(value, where)
    descriptor = statement.descriptor_from_json(fields.get("material"), where)
    output = shape.optional_flag(fields.get("output"), f"{where}.output")
    return attestation_materials.read(
        descriptor, {attestation_materials.name_of(descriptor): descriptor} if output else {}, where
    )
