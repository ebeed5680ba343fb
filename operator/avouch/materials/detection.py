"""Detects the type of a file or value: each type is tried in Chainloop's order, and the first match wins.

Pure: no registry and no file is opened. A text is an image only if the caller's `resolves` finds it in a registry or
layout; without one it is a STRING.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from avouch import errors, image_references, plan
from avouch.materials import types as material_types
from avouch.materials import validation
from avouch.materials.readers import document


class _Hint(NamedTuple):
    """What content of a type begins with, and bytes of which one lies in it: who could only refuse is not asked."""

    type: str
    kind: str
    marks: tuple[bytes, ...] = ()


# Chainloop's order. What only a person can tell apart (EVIDENCE, reports without a mark of their own) is never guessed.
HINTS = (
    _Hint("OPENVEX", "object", (b'"@context"',)),
    _Hint("SBOM_CYCLONEDX_JSON", "object", (b'"bomFormat"',)),
    _Hint(
        "SBOM_SPDX_JSON",
        "object",
        (
            b'"spdxVersion"',
            b'"@graph"',
        ),
    ),
    _Hint("CSAF_VEX", "object", (b'"csaf_vex"',)),
    _Hint("CSAF_INFORMATIONAL_ADVISORY", "object", (b'"csaf_informational_advisory"',)),
    _Hint("CSAF_SECURITY_ADVISORY", "object", (b'"csaf_security_advisory"',)),
    _Hint("CSAF_SECURITY_INCIDENT_RESPONSE", "object", (b'"csaf_security_incident_response"',)),
    _Hint("GITLAB_SECURITY_REPORT", "object", (b'"scan"',)),
    _Hint("GITLEAKS_JSON", "list", (b'"Fingerprint"',)),
    _Hint("YELP_DETECT_SECRETS_BASELINE", "object", (b'"plugins_used"',)),
    _Hint("SYSINTERNALS_SIGCHECK", "text"),
    _Hint("OSSF_SCORECARD_JSON", "object", (b'"scorecard"',)),
    _Hint(
        "OPENAPI_SPEC",
        "object",
        (
            b'"openapi"',
            b'"swagger"',
        ),
    ),
    _Hint(
        "OPENAPI_SPEC",
        "text",
        (
            b"openapi",
            b"swagger",
        ),
    ),
    _Hint("ASYNCAPI_SPEC", "object", (b'"asyncapi"',)),
    _Hint("ASYNCAPI_SPEC", "text", (b"asyncapi",)),
    _Hint("GRAPHQL_SPEC", "text"),
    _Hint("JUNIT_XML", "xml", (b"testsuite",)),
    _Hint("JUNIT_XML", "archive"),
    _Hint("JACOCO_XML", "xml", (b"report",)),
    _Hint("COBERTURA_XML", "xml", (b"coverage",)),
    _Hint("HELM_CHART", "archive"),
    _Hint("SARIF", "object", (b'"runs"',)),
    _Hint("BLACKDUCK_SCA_JSON", "object", (b'"detailedVulnerabilities"',)),
    _Hint("TWISTCLI_SCAN_JSON", "object", (b'"consoleURL"',)),
    _Hint("ZAP_DAST_ZIP", "archive"),
    _Hint("SLSA_PROVENANCE", "object", (b'"dsseEnvelope"',)),
    _Hint("CHAINLOOP_RUNNER_CONTEXT", "object", (b'"meta"',)),
    _Hint("CHAINLOOP_AI_AGENT_CONFIG", "object", (b'"CHAINLOOP_AI_AGENT_CONFIG"',)),
    _Hint("CHAINLOOP_AI_CODING_SESSION", "object", (b'"CHAINLOOP_AI_CODING_SESSION"',)),
    _Hint(
        "ATTESTATION",
        "object",
        (
            b'"dsseEnvelope"',
            b'"payloadType"',
        ),
    ),
)
ORDER = tuple(dict.fromkeys(hint.type for hint in HINTS))
NEVER = (
    "EVIDENCE",
    "GHAS_CODE_SCAN",
    "GHAS_SECRET_SCAN",
    "GHAS_DEPENDENCY_SCAN",
    "CHAINLOOP_PR_INFO",
    "SYSINTERNALS_ACCESSCHK",
    "CERTCC_DRANZER",
    "RADAMSA_REPORT",
    "RADAMSA_CRASHES",
    "TRUFFLEHOG_JSON",
    "CHECKMARX_JSON",
)
_BEGINNING = 4096

Resolves = Callable[[str], bool]
Look = Callable[[str, bytes], document.Document]


class Detected(NamedTuple):
    """The type, what its reader found, and why the types before it that came near were not it."""

    type: str
    found: document.Document
    near: tuple[tuple[str, document.Flaw], ...] = ()


def file(content: bytes, look: Look = validation.read) -> Detected:
    """The type of a file; ARTIFACT if no reader matches.

    Args:
        content: all of its bytes.
        look: checks the content against one type: `documents.read`, or the cheaper `documents.sniff`.

    Raises:
        Invalid: the file is empty, which matches no type.
        TooLarge: more bytes than any type takes.
    """
    if not content:
        raise errors.Invalid(
            "the file is empty, so its type cannot be detected", fix="name the type, or write the file"
        )
    near: list[tuple[str, document.Flaw]] = []
    for name in _plausible(content):
        found = look(name, content)
        if not found.flaws:
            return Detected(name, found, tuple(near))
        near.append((name, found.flaws[0]))
    found = validation.read("ARTIFACT", content)
    if found.flaws:
        raise errors.TooLarge(found.flaws[0].message, fix=found.flaws[0].fix)
    return Detected("ARTIFACT", found, tuple(near))


def value(text: str, resolves: Resolves | None = None) -> Detected:
    """The type of a text that is not the name of a file.

    Args:
        text: the value.
        resolves: tells whether an image of this name exists; None: do not ask. It is not called for a text that
            cannot be an image reference.

    Raises:
        Invalid: the text is empty, too long or not text.
    """
    image = resolves is not None and image_references.is_reference(text) and resolves(text)
    name = plan.IMAGE if image else plan.STRING
    try:
        found = validation.read(name, text.encode())
    except UnicodeEncodeError as exc:
        raise errors.Invalid("the value is not text", fix="write it in UTF-8") from exc
    if found.flaws:
        raise errors.Invalid(found.flaws[0].message, fix=found.flaws[0].fix)
    return Detected(name, found)


def _plausible(content: bytes) -> Iterator[str]:
    kind = _kind(content)
    for hint in HINTS:
        fits = hint.kind == kind and len(content) <= material_types.of(hint.type).limit
        if fits and (not hint.marks or any(mark in content for mark in hint.marks)):
            yield hint.type


def _kind(content: bytes) -> str:
    if content.startswith((b"PK\x03\x04", b"\x1f\x8b")):
        return "archive"
    beginning = content[:_BEGINNING].removeprefix(b"\xef\xbb\xbf").lstrip()
    return {b"<": "xml", b"{": "object", b"[": "list"}.get(beginning[:1], "text")
