"""Rules that are checked twice: as CEL in the CRD, by `kubectl apply`, and in Python, when avouch reads an object."""

import re
from dataclasses import dataclass
from typing import Any

from pydantic_core import PydanticCustomError

ERROR_TYPE = "avouch_rule"  # pydantic error type of a broken rule; its context holds message and fix

DNS_1123 = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
SUBDOMAIN = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
LABEL = re.compile(f"(?=.{{1,63}}$){DNS_1123.removeprefix('^')}", re.ASCII)  # with its bound, for Python
WORD = "^[0-9A-Za-z_]+$"  # protovalidate's ^[\w]+$: RE2's \w is ASCII


@dataclass(frozen=True, slots=True)
class Rule:
    """One CEL rule. `message` says what is wrong, `fix` what to change; the API server prints both."""

    cel: str
    message: str
    fix: str

    def to_schema(self) -> dict[str, Any]:
        """One entry of x-kubernetes-validations."""
        return {"rule": self.cel, "message": f"{self.message}; fix: {self.fix}"}

    def broken(self) -> PydanticCustomError:
        """The same error when Python reads the object."""
        return PydanticCustomError(ERROR_TYPE, "{message}", {"message": self.message, "fix": self.fix})


@dataclass(frozen=True, slots=True)
class Pattern:
    """A rule on one string: it must match a regular expression that RE2 and Python read alike."""

    pattern: str
    message: str
    fix: str

    @property
    def rule(self) -> Rule:
        """The CEL form of the pattern."""
        quoted = self.pattern.replace("\\", "\\\\").replace("'", "\\'")
        return Rule(f"self.matches('{quoted}')", self.message, self.fix)

    def check(self, value: str) -> str:
        """Return the value unchanged, or refuse it (pydantic's `AfterValidator`)."""
        if not re.fullmatch(self.pattern.removeprefix("^").removesuffix("$"), value):
            raise self.rule.broken()
        return value


NAME = Pattern(
    DNS_1123,
    "must contain only lowercase letters, numbers, and hyphens",
    "write a DNS-1123 label such as my-sbom: a-z, 0-9 and -, first and last character not -",
)
GROUP = Pattern(
    f"^({DNS_1123[1:-1]})?$",
    "must contain only lowercase letters, numbers, and hyphens, or be empty",
    "write a DNS-1123 label such as scans, or leave the group out",
)
OBJECT_NAME = Pattern(
    SUBDOMAIN,
    "is not the name of a Kubernetes object",
    "write lowercase letters, numbers, hyphens and dots, first and last character a letter or number",
)
ANNOTATION = Pattern(
    WORD,
    "an annotation name holds only letters, digits and underscores",
    "write it without hyphens, dots or spaces, such as my_annotation",
)
REQUIREMENT = Pattern(
    r"^([a-z0-9-]+/)?([^ \t\r\n\v\f/]+/)([^ \t\r\n\v\f@/]+)(@[^ \t\r\n\v\f@]+)?$",
    "is not a requirement reference",
    "write [organization/]framework/requirement[@version]",
)


def same(camel: str, snake: str) -> Rule:
    """Both of Chainloop's spellings of one field are accepted; together they must agree.

    `dyn`, because CEL calls the objects of two lists two types, although their schemas are the same.
    """
    return Rule(
        f"!has(self.{camel}) || !has(self.{snake}) || dyn(self.{camel}) == dyn(self.{snake})",
        f"{camel} and {snake} are the same field and differ",
        f"keep one of {camel} and {snake}",
    )


def exactly_one(fields: tuple[str, ...], fix: str) -> Rule:
    """Exactly one of these optional fields is set."""
    counted = " + ".join(f"(has(self.{field}) ? 1 : 0)" for field in fields)
    return Rule(f"{counted} == 1", f"exactly one of {', '.join(fields)} must be set", fix)
