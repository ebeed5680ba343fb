"""What a script sees: the material as JSON, and beside it the arguments and what is known of the material.

A table says for each type of material what that is. JSON is passed on as it is written, so numbers keep their
spelling, and only looked over: the engine reads it. Everything else is parsed (`materials.projections`), which the
server leaves to a process that can be killed.
"""

import codecs
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import msgspec

from avouch import errors
from avouch.materials import types as material_types
from avouch.materials import validation
from avouch.materials.projections import apis, coverage, fuzzers, jsons, junit, packages, pieces, sysinternals
from avouch.values import dataclass

MOST = pieces.MOST  # bytes of one document
_EMPTY = b"{}"
_SARIF = "SARIF"
_BEGUN = re.compile(rb"(?:\xef\xbb\xbf)?[ \t\r\n]*[{\[]")
_ANY = msgspec.json.Decoder(msgspec.Raw)


@dataclass(frozen=True, slots=True)
class Shown:
    """What scripts see of the materials of a type.

    Attributes:
        words: for the page of types.
        made: from the bytes of what the type's reader accepts; None where it is not read.
    """

    words: str
    made: Callable[[bytes], bytes] | None = None


_AS_IT_IS = Shown("the document")
_LIST = Shown("`elements`: the list")
_NOTHING = Shown("nothing but its metadata")
_EVIDENCE = Shown("the document if it is JSON, else nothing but its metadata")
_NEVER = Shown("never evaluated: its content has no format")

# fmt: off
TABLE: Mapping[str, Shown] = {
    material_types.STRING: _NOTHING,
    material_types.IMAGE: _NOTHING,
    "ARTIFACT": _NEVER,
    "SBOM_CYCLONEDX_JSON": _AS_IT_IS,
    "SBOM_SPDX_JSON": _AS_IT_IS,
    "JUNIT_XML": Shown("`elements`: suites with `tests`, `suites`, `totals`, as go-junit has them", junit.suites),
    "OPENVEX": _AS_IT_IS,
    "CSAF_VEX": _AS_IT_IS,
    _SARIF: _AS_IT_IS,
    "HELM_CHART": Shown("`chart` and `values`: its Chart.yaml and values.yaml", packages.helm),
    "EVIDENCE": _EVIDENCE,
    "ATTESTATION": Shown("the statement in its envelope", jsons.statement),
    "CSAF_INFORMATIONAL_ADVISORY": _AS_IT_IS,
    "CSAF_SECURITY_ADVISORY": _AS_IT_IS,
    "CSAF_SECURITY_INCIDENT_RESPONSE": _AS_IT_IS,
    "GITLAB_SECURITY_REPORT": _AS_IT_IS,
    "ZAP_DAST_ZIP": Shown("the JSON report in the zip", packages.zap),
    "BLACKDUCK_SCA_JSON": _AS_IT_IS,
    "TWISTCLI_SCAN_JSON": _AS_IT_IS,
    "GHAS_CODE_SCAN": _LIST,
    "GHAS_SECRET_SCAN": _LIST,
    "GHAS_DEPENDENCY_SCAN": _LIST,
    "JACOCO_XML": Shown("`counters` of the whole report: `type`, `missed`, `covered`", coverage.counters),
    "SLSA_PROVENANCE": Shown("the Sigstore bundle; the statement is `dsseEnvelope.payload`, in base64"),
    "CHAINLOOP_RUNNER_CONTEXT": _AS_IT_IS,
    "CHAINLOOP_PR_INFO": _AS_IT_IS,
    "GITLEAKS_JSON": _LIST,
    "CHAINLOOP_AI_AGENT_CONFIG": _AS_IT_IS,
    "CHAINLOOP_AI_CODING_SESSION": _AS_IT_IS,
    "OPENAPI_SPEC": Shown("the document, YAML as JSON", apis.described),
    "ASYNCAPI_SPEC": Shown("the document, YAML as JSON", apis.described),
    "GRAPHQL_SPEC": Shown("`types` with their `fields`, `directives`, `schema`", apis.schema),
    "YELP_DETECT_SECRETS_BASELINE": _AS_IT_IS,
    "SYSINTERNALS_SIGCHECK": Shown("`elements`: rows by their columns", sysinternals.sigcheck),
    "SYSINTERNALS_ACCESSCHK": Shown("`objects`, the `descriptors` that they name by place, `raw`",
                                    sysinternals.accesschk),
    "CERTCC_DRANZER": Shown("`objects`, `findings`, `summary`, `reports`, `raw`", fuzzers.dranzer),
    "OSSF_SCORECARD_JSON": _AS_IT_IS,
    "RADAMSA_REPORT": Shown("`elements`: records by their names", fuzzers.radamsa),
    "RADAMSA_CRASHES": _NOTHING,
    "TRUFFLEHOG_JSON": Shown("`elements`: findings", jsons.lines),
    "COBERTURA_XML": Shown("the report: `line-rate` and others, `packages`, `classes`, `methods`, `lines`",
                           coverage.cobertura),
    "CHECKMARX_JSON": _AS_IT_IS,
}
# fmt: on


def of_material(material_type: str, content: bytes) -> bytes:
    """A material as JSON. An array is `elements`, and what is neither array nor object is {}, as Chainloop has it.

    Raises:
        errors.Invalid: it is not of its type, or no script can be shown a material of this type.
        errors.TooLarge: it has more bytes than scripts are shown, or takes too much to be read.
    """
    shown = TABLE[material_types.of(material_type).name]
    if shown is _NEVER:
        message = f"policies cannot be shown {material_type}, whose content has no fixed format"
        raise errors.Invalid(message, field="--kind", fix="deliver a report of a type that has one")
    if shown is _NOTHING:
        return _EMPTY
    if shown is _EVIDENCE:
        return _of_evidence(content)
    try:
        if shown.made is None:
            return of_json(_mended(content) if is_parsed(material_type, content) else content)
        _accepted(material_type, content)
        return of_json(shown.made(content))
    except MemoryError as exc:
        flaw = validation.exhausted(material_types.of(material_type), validation.MEMORY).flaws[0]
        raise errors.TooLarge(flaw.message, fix=flaw.fix) from exc


def is_parsed(material_type: str, content: bytes) -> bool:
    """Whether more is done to show it than to look it over: then it takes time and memory."""
    if material_types.of(material_type).name == _SARIF and len(content) <= MOST:
        return bool(_flaw(content.removeprefix(codecs.BOM_UTF8)))
    return TABLE[material_type].made is not None


def of_json(content: bytes) -> bytes:
    """A JSON document, such as a statement, as scripts see it. Raises as `of_material`."""
    said = content.removeprefix(codecs.BOM_UTF8).strip(b" \t\r\n")
    if len(said) > MOST:
        raise pieces.too_large()
    flaw = _flaw(said)
    if flaw and said:
        raise errors.Invalid(f"not JSON: {flaw}", fix="deliver the report as the tool wrote it")
    if said.startswith(b"["):
        return b'{"elements":' + said + b"}"
    return said if said.startswith(b"{") else _EMPTY


def beside(
    arguments: Mapping[str, Any], known: Mapping[str, Any], own: Mapping[str, Any] = MappingProxyType({})
) -> Mapping[str, Any]:
    """What stands beside it in the document, whatever it has there itself; `own` is what Chainloop does not have."""
    return {**own, "args": dict(arguments), "chainloop_metadata": dict(known)}


def of_run(record: Mapping[str, Any]) -> Mapping[str, Any]:
    """What Chainloop does not have: the record of the run, which scripts see as input.avouch.run."""
    return {"avouch": {"run": record}}


def _of_evidence(content: bytes) -> bytes:
    """Evidence need not be JSON; what only begins so is none."""
    begun = _BEGUN.match(content)
    if not begun or (len(content) <= MOST and _flaw(content.removeprefix(codecs.BOM_UTF8))):
        return _EMPTY
    return of_json(content)


def _accepted(material_type: str, content: bytes) -> None:
    """What the reader of its type refuses is not shown: nothing of it could be relied on."""
    for flaw in validation.sniff(material_type, content).flaws:
        kind = errors.TooLarge if flaw.code == validation.EXHAUSTING else errors.Invalid
        raise kind(flaw.message, fix=flaw.fix)


def _mended(content: bytes) -> bytes:
    """Scanners copy source code into SARIF with raw control characters, which the reader forgives and OPA does not."""
    return jsons.mended(content.removeprefix(codecs.BOM_UTF8))


def _flaw(content: bytes) -> str:
    """Why this is not one JSON value; empty if it is. Nothing is built of it."""
    try:
        _ANY.decode(content)
    except msgspec.DecodeError as exc:
        return str(exc)
    except RecursionError as exc:
        raise errors.TooLarge("nested too deeply for policies", fix="flatten the document") from exc
    return ""
