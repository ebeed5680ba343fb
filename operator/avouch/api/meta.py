"""What all kinds share: the base model, bounded scalars, references, conditions, and CRD fields beside the schema."""

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    ValidationError,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from avouch import errors
from avouch.api import rules

GROUP = "avouch.dev"
VERSION = "v1alpha1"
RULES = "x-kubernetes-validations"


def bounded(length: int, *patterns: rules.Pattern, minimum: int = 0) -> Any:
    """Field of a string at most this long that keeps to the patterns, in the CRD as CEL."""
    extra: dict[str, Any] = {RULES: [pattern.rule.to_schema() for pattern in patterns]} if patterns else {}
    return Field(min_length=minimum or None, max_length=length, json_schema_extra=extra)


Name = Annotated[str, bounded(63, rules.NAME, minimum=1), AfterValidator(rules.NAME.check)]
ObjectName = Annotated[str, bounded(253, rules.OBJECT_NAME, minimum=1), AfterValidator(rules.OBJECT_NAME.check)]
AnnotationName = Annotated[str, bounded(128, rules.ANNOTATION, minimum=1), AfterValidator(rules.ANNOTATION.check)]
Word = Annotated[str, bounded(253, minimum=1)]  # a name under the rules of Tekton or Kubernetes
Text = Annotated[str, bounded(4096)]
Long = Annotated[str, bounded(32768)]
LabelValue = Annotated[str, bounded(63)]
Time = Annotated[str, Field(max_length=64, json_schema_extra={"format": "date-time"})]
Labels = Annotated[dict[Annotated[str, Field(max_length=317)], LabelValue], Field(min_length=1, max_length=16)]
DigestText = Annotated[str, bounded(71)]


class Model(BaseModel):
    """Base of every model: camelCase in JSON, no conversion between JSON types, unknown fields ignored when reading.

    `cel` are the rules of the object. With `both_spellings`, every field of several words is also declared in
    snake_case, because Chainloop reads both; the two may not disagree.
    """

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        use_attribute_docstrings=True,
        extra="ignore",
        frozen=True,
        strict=True,
    )
    cel: ClassVar[tuple[rules.Rule, ...]] = ()
    both_spellings: ClassVar[bool] = False

    @model_validator(mode="before")
    @classmethod
    def _one_value_in_two_spellings(cls, data: Any) -> Any:
        if isinstance(data, dict):
            for name, info in cls.model_fields.items():
                camel = info.alias or name
                if camel != name and name in data and camel in data and data[camel] != data[name]:
                    raise rules.same(camel, name).broken()
        return data

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        schema = handler.resolve_ref_schema(handler(core))
        found = [*cls.cel, *(_add_twins(cls, schema) if cls.both_spellings else ())]
        if found:
            schema[RULES] = [rule.to_schema() for rule in found]
        return schema

    @classmethod
    def read(cls, said: object, of: str, field: str = "spec") -> Self:
        """What JSON says in the field of an object, such as `Workflow build`.

        Raises:
            Invalid: it is not of this shape; with the first place that is not.
        """
        try:
            return cls.model_validate(said)
        except ValidationError as exc:
            first = exc.errors(include_url=False)[0]
            place = ".".join(map(str, (field, *first["loc"])))
            raise errors.Invalid(f"{of}: {first['msg']}", field=place, fix="correct it, and apply it again") from exc

    def to_object(self) -> dict[str, Any]:
        """The object as JSON holds it: camelCase, without fields that are not set."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


def _add_twins(model: type[Model], schema: JsonSchemaValue) -> list[rules.Rule]:
    found = []
    for name, info in model.model_fields.items():
        camel = info.alias or name
        if "_" in name.strip("_") and camel != name:
            twin = dict(schema["properties"][camel])
            twin["description"] = f"Chainloop's other spelling of {camel}. Set only one of the two."
            schema["properties"][name] = twin
            found.append(rules.same(camel, name))
    return found


class ObjectMeta(BaseModel):
    """The part of Kubernetes' ObjectMeta that avouch reads."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    name: str = ""
    namespace: str = ""
    uid: str = ""
    generation: int = 0
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)


class Condition(Model):
    """One condition, in the shape of Kubernetes' metav1.Condition."""

    type: Annotated[str, bounded(316, minimum=1)]
    """Kind of condition, such as Ready, Reconciling or Stalled."""
    status: Literal["True", "False", "Unknown"]
    """Whether the condition holds."""
    reason: Annotated[str, bounded(1024, minimum=1)]
    """Machine-readable reason in CamelCase, from a fixed list."""
    message: Long = ""
    """Human-readable message: what happened, where, and what to do next."""
    observed_generation: int | None = None
    """metadata.generation that this condition is based on."""
    last_transition_time: Time
    """When status last changed from one value to another."""


Conditions = Annotated[
    list[Condition],
    Field(max_length=16, json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]}),
]


class Status(Model):
    """The fields of every status."""

    observed_generation: int | None = None
    """metadata.generation that this status is based on; -1 before the first reconciliation."""
    conditions: Conditions = Field(default_factory=list)
    """Ready; Reconciling and Stalled while they are true; then the conditions of this kind."""


class MatchLabels(Model):
    """Selection by labels."""

    match_labels: Labels
    """Labels that an object must carry, all of them, with these values."""


Scope = Literal["Project", "Organization"]


class ScopedRef(Model):
    """Reference to an object of this namespace, or of the organization's home namespace."""

    name: ObjectName
    """Name of the object, such as build-contract."""
    scope: Scope | None = None
    """Project (the default) is this namespace; Organization is the home namespace of the organization."""


class LocalRef(Model):
    """Reference to an object of this namespace."""

    name: ObjectName
    """Name of the object in this namespace."""


class SecretKeyRef(Model):
    """One key of a Secret of this namespace."""

    name: ObjectName
    """Name of the Secret, in this namespace."""
    key: Annotated[str, bounded(253, minimum=1)]
    """Key of the Secret's data, such as hmac."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of `kubectl get`. Priority 1 is shown with -o wide only."""

    name: str
    path: str
    type: str = "string"
    priority: int = 0


def condition(name: str, field: str) -> str:
    """JSONPath to one field of one condition."""
    return f'.status.conditions[?(@.type=="{name}")].{field}'


READY = Column("Ready", condition("Ready", "status"))
REASON = Column("Reason", condition("Ready", "reason"), priority=1)
MESSAGE = Column("Message", condition("Ready", "message"), priority=1)
AGE = Column("Age", ".metadata.creationTimestamp", "date")


@dataclass(frozen=True, slots=True)
class Kind:
    """The CRD fields beside the schema. The model's class name is the kind."""

    model: type[Model]
    plural: str
    short: str
    columns: tuple[Column, ...]
    group: str = GROUP
    version: str = VERSION
    cluster: bool = False
    selectable: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The kind, such as Workflow."""
        return self.model.__name__

    @property
    def api_version(self) -> str:
        """group/version as objects write it."""
        return f"{self.group}/{self.version}"
