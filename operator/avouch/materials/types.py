"""The one table of material types: number, media type, what is checked and extracted, how it is detected, how large.

Validation, readers, detection, the CRDs, documentation and help are made from it. A row names its reader; `validation`
imports it when it is needed. Standard library only: the sidecar reads it.

>>> of("SBOM_CYCLONEDX_JSON").media_type
'application/vnd.cyclonedx+json'
"""

from enum import StrEnum

from avouch import errors
from avouch.values import dataclass

MIB = 1024 * 1024
PREFIX = "chainloop.material."

STRING = "STRING"
IMAGE = "CONTAINER_IMAGE"


class Form(StrEnum):
    """What a run delivers for a material."""

    VALUE = "value"  # the text itself
    IMAGE = "image"  # a registry reference with a digest; the bytes stay in the registry
    FILE = "file"  # bytes


class Look:
    """What content of a type looks like from outside: who could only refuse it is not asked.

    Attributes:
        kind: what it begins as: object or list (JSON), xml, text or archive.
        marks: bytes of which one lies in it; none: any may.
    """

    __slots__ = ("kind", "marks")

    def __init__(self, kind: str, *marks: bytes) -> None:
        self.kind = kind
        self.marks = marks

    @property
    def telling(self) -> bool:
        """Whether content that looks so was most likely meant to be of the type; any text looks like a text."""
        return bool(self.marks) or self.kind == "archive"


class ByItself:
    """How a type is found where nobody names one.

    Attributes:
        place: in Chainloop's order: the first type whose reader accepts the content is its type.
        looks: of which the content has one.
    """

    __slots__ = ("looks", "place")

    def __init__(self, place: int, *looks: Look) -> None:
        self.place = place
        self.looks = looks


@dataclass(frozen=True, slots=True)
class MaterialType:
    """One type of material.

    Attributes:
        name: as in contracts.
        number: as on the wire.
        media_type: of its bytes.
        reader: module and function below `materials/readers`; "" if nothing is read.
        checked: what the reader checks, in words.
        extracts: annotations it can find, without their prefix.
        form: what a run delivers.
        limit: most bytes that are accepted.
        window: most bytes that the reader is shown; larger content is accepted up to `limit`, but not read.
        empty: an empty file is valid (a clean scan).
        detected: how it is found by itself; None: only a person can tell it, or it is what is left (`detection`).
    """

    name: str
    number: int
    media_type: str
    reader: str
    checked: str
    extracts: tuple[str, ...] = ()
    form: Form = Form.FILE
    limit: int = 16 * MIB
    window: int | None = None
    empty: bool = False
    detected: ByItself | None = None

    @property
    def readable(self) -> int:
        """Most bytes that its reader is shown."""
        return self.limit if self.window is None else self.window

    @property
    def annotations(self) -> tuple[str, ...]:
        """Full keys of what the reader can extract."""
        return tuple(f"{PREFIX}{key}" for key in self.extracts)


_JSON = "application/json"
_XML = "application/xml"
_TEXT = "text/plain"
_BYTES = "application/octet-stream"
_BIG = 64 * MIB
_LARGE = 1024 * MIB  # never parsed, only hashed and stored
_NAME = ("tool.name",)
_TOOL = (*_NAME, "tool.version")
_TOOLS = (*_TOOL, "tools")
_MAIN = ("sbom.main_component.name", "sbom.main_component.type", "sbom.main_component.version")
_API = ("api.spec_version", "api.name", "api.version")

# fmt: off
MATERIALS = (
    MaterialType(STRING, 1, _TEXT, "values.string", "text in UTF-8", form=Form.VALUE, limit=64 * 1024),
    MaterialType(IMAGE, 2, "application/vnd.oci.image.manifest.v1+json", "values.image",
                 "grammar of the reference; the client looks it up in its registry", form=Form.IMAGE, limit=4096),
    MaterialType("ARTIFACT", 3, _BYTES, "", "not empty", limit=_LARGE, window=0),
    MaterialType("SBOM_CYCLONEDX_JSON", 4, "application/vnd.cyclonedx+json", "sboms.cyclonedx",
                 "official schemas of CycloneDX 1.4 to 1.7",
                 (*_MAIN, *_TOOLS, "sbom.vulnerabilities_report"), limit=_BIG,
                 detected=ByItself(2, Look("object", b'"bomFormat"'))),
    MaterialType("SBOM_SPDX_JSON", 5, "application/spdx+json", "sboms.spdx",
                 "official schemas of SPDX 2.2, 2.3 and 3.0.1", (*_MAIN, *_TOOLS), limit=_BIG,
                 detected=ByItself(3, Look("object", b'"spdxVersion"', b'"@graph"'))),
    MaterialType("JUNIT_XML", 6, _XML, "junit.read",
                 "XML with at least one test suite, or a zip, tar or tar.gz with such files", limit=_BIG,
                 detected=ByItself(16, Look("xml", b"testsuite"), Look("archive"))),
    MaterialType("OPENVEX", 7, _JSON, "advisories.openvex",
                 "official schema of OpenVEX 0.2.0; required fields of older drafts",
                 detected=ByItself(1, Look("object", b'"@context"'))),
    MaterialType("CSAF_VEX", 8, _JSON, "advisories.csaf_vex",
                 "official schemas of CSAF 2.0 and 2.1, and the category", _TOOLS,
                 detected=ByItself(4, Look("object", b'"csaf_vex"'))),
    MaterialType("SARIF", 9, "application/sarif+json", "sarif.read",
                 "official schema of SARIF 2.1.0", (*_TOOLS, "scan.types"), limit=_BIG,
                 detected=ByItself(20, Look("object", b'"runs"'))),
    MaterialType("HELM_CHART", 10, "application/vnd.cncf.helm.chart.content.v1.tar+gzip", "packages.helm",
                 "a .tgz with Chart.yaml (name, version) and values.yaml, both YAML", limit=_BIG,
                 detected=ByItself(19, Look("archive"))),
    MaterialType("EVIDENCE", 11, _BYTES, "chainloop.evidence",
                 "not empty", ("evidence.id", "evidence.schema"), limit=_LARGE, window=4 * MIB),
    MaterialType("ATTESTATION", 12, _JSON, "statements.attestation",
                 "DSSE envelope or Sigstore bundle, in-toto statement, predicate type; no signature",
                 detected=ByItself(28, Look("object", b'"dsseEnvelope"', b'"payloadType"'))),
    MaterialType("CSAF_INFORMATIONAL_ADVISORY", 13, _JSON, "advisories.csaf_informational_advisory",
                 "official schemas of CSAF 2.0 and 2.1, and the category", _TOOLS,
                 detected=ByItself(5, Look("object", b'"csaf_informational_advisory"'))),
    MaterialType("CSAF_SECURITY_ADVISORY", 14, _JSON, "advisories.csaf_security_advisory",
                 "official schemas of CSAF 2.0 and 2.1, and the category", _TOOLS,
                 detected=ByItself(6, Look("object", b'"csaf_security_advisory"'))),
    MaterialType("CSAF_SECURITY_INCIDENT_RESPONSE", 15, _JSON, "advisories.csaf_security_incident_response",
                 "official schemas of CSAF 2.0 and 2.1, and the category", _TOOLS,
                 detected=ByItself(7, Look("object", b'"csaf_security_incident_response"'))),
    MaterialType("GITLAB_SECURITY_REPORT", 16, _JSON, "scans.gitlab",
                 "version, known scan type, list of vulnerabilities", _TOOLS, limit=_BIG,
                 detected=ByItself(8, Look("object", b'"scan"'))),
    MaterialType("ZAP_DAST_ZIP", 17, "application/zip", "packages.zap",
                 "a zip with report_json.json by ZAP, in any folder", _TOOL, limit=_BIG,
                 detected=ByItself(23, Look("archive"))),
    MaterialType("BLACKDUCK_SCA_JSON", 18, _JSON, "scans.blackduck", "its three detailed parts", limit=_BIG,
                 detected=ByItself(21, Look("object", b'"detailedVulnerabilities"'))),
    MaterialType("TWISTCLI_SCAN_JSON", 19, _JSON, "scans.twistcli", "results and consoleURL",
                 detected=ByItself(22, Look("object", b'"consoleURL"'))),
    MaterialType("GHAS_CODE_SCAN", 20, _JSON, "scans.ghas_code", "a list of alerts, each with tool", limit=_BIG),
    MaterialType("GHAS_SECRET_SCAN", 21, _JSON, "scans.ghas_secret",
                 "a list of alerts, each with secret_type", limit=_BIG),
    MaterialType("GHAS_DEPENDENCY_SCAN", 22, _JSON, "scans.ghas_dependency",
                 "a list of alerts, each with dependency", limit=_BIG),
    MaterialType("JACOCO_XML", 23, _XML, "coverage.jacoco",
                 "report with counters of its own, INSTRUCTION among them", limit=_BIG,
                 detected=ByItself(17, Look("xml", b"report"))),
    MaterialType("SLSA_PROVENANCE", 24, _JSON, "statements.slsa",
                 "Sigstore bundle, in-toto statement, fields of provenance v1; no signature",
                 detected=ByItself(24, Look("object", b'"dsseEnvelope"'))),
    MaterialType("CHAINLOOP_RUNNER_CONTEXT", 25, _JSON, "chainloop.runner_context",
                 "meta with id, data; types of their fields", detected=ByItself(25, Look("object", b'"meta"'))),
    MaterialType("CHAINLOOP_PR_INFO", 26, _JSON, "chainloop.pr_info",
                 "its envelope; types of the fields of data", ("evidence.id", "evidence.schema")),
    MaterialType("GITLEAKS_JSON", 27, _JSON, "secrets.gitleaks",
                 "a list of leaks, each with Fingerprint", _NAME, limit=_BIG,
                 detected=ByItself(9, Look("list", b'"Fingerprint"'))),
    MaterialType("CHAINLOOP_AI_AGENT_CONFIG", 28, _JSON, "chainloop.agent_config",
                 "its envelope; fields of data, no others", ("aiagent.name",),
                 detected=ByItself(26, Look("object", b'"CHAINLOOP_AI_AGENT_CONFIG"'))),
    MaterialType("CHAINLOOP_AI_CODING_SESSION", 29, _JSON, "chainloop.coding_session",
                 "its envelope; fields of data, no others", ("aiagent.name", "aiagent.model"), limit=_BIG,
                 detected=ByItself(27, Look("object", b'"CHAINLOOP_AI_CODING_SESSION"'))),
    MaterialType("OPENAPI_SPEC", 30, "application/vnd.oai.openapi", "apis.openapi",
                 "official schemas of OpenAPI 2.0, 3.0, 3.1 and 3.2", _API,
                 detected=ByItself(13, Look("object", b'"openapi"', b'"swagger"'),
                                   Look("text", b"openapi", b"swagger"))),
    MaterialType("ASYNCAPI_SPEC", 31, "application/vnd.aai.asyncapi", "apis.asyncapi",
                 "official schemas of AsyncAPI 2.6, 3.0 and 3.1", (*_API, "api.protocol"),
                 detected=ByItself(14, Look("object", b'"asyncapi"'), Look("text", b"asyncapi"))),
    MaterialType("GRAPHQL_SPEC", 32, "application/graphql", "graphqls.read",
                 "parsed by graphql-core; definitions only", ("graphql.type_count", "graphql.directives"),
                 detected=ByItself(15, Look("text"))),
    MaterialType("YELP_DETECT_SECRETS_BASELINE", 33, _JSON, "secrets.detect_secrets",
                 "version, plugins_used, results", _TOOL, detected=ByItself(10, Look("object", b'"plugins_used"'))),
    MaterialType("SYSINTERNALS_SIGCHECK", 34, "text/csv", "sysinternals.sigcheck",
                 "CSV or TSV with Path and Verified, each row complete", _NAME, detected=ByItself(11, Look("text"))),
    MaterialType("SYSINTERNALS_ACCESSCHK", 35, _TEXT, "sysinternals.accesschk",
                 "text with its banner, an access to an object or a descriptor", _TOOL),
    MaterialType("CERTCC_DRANZER", 36, _BYTES, "fuzzers.dranzer",
                 "typical lines of the report, or an archive of such reports", (*_TOOL, "dranzer.reports.count")),
    MaterialType("OSSF_SCORECARD_JSON", 37, _JSON, "scorecard.read",
                 "official schema of Scorecard's JSON", (*_TOOL, "scorecard.score"),
                 detected=ByItself(12, Look("object", b'"scorecard"'))),
    MaterialType("RADAMSA_REPORT", 38, _BYTES, "fuzzers.radamsa_report",
                 "each line is a record of radamsa -M or its seed, or an archive of such logs",
                 ("tool.name", "radamsa.report.records.count"), empty=True),
    MaterialType("RADAMSA_CRASHES", 39, _BYTES, "fuzzers.radamsa_crashes",
                 "not empty; an archive can be read", ("tool.name", "radamsa.crashes.count"), limit=_BIG),
    MaterialType("TRUFFLEHOG_JSON", 40, _JSON, "secrets.trufflehog",
                 "findings one after the other or as a list, each with DetectorName", _NAME, limit=_BIG, empty=True),
    MaterialType("COBERTURA_XML", 41, _XML, "coverage.cobertura",
                 "coverage with packages or a line-rate other than 0", limit=_BIG,
                 detected=ByItself(18, Look("xml", b"coverage"))),
    MaterialType("CHECKMARX_JSON", 42, _JSON, "scans.checkmarx",
                 "scanID and results, each with type and data", ("tool.name", "scan.types"), limit=_BIG),
)
# fmt: on
VALUE_TYPES = frozenset(each.name for each in MATERIALS if each.form is not Form.FILE)  # their evidence is a text
MAY_BE_EMPTY = frozenset(each.name for each in MATERIALS if each.empty)
_BY_NAME = {material.name: material for material in MATERIALS}


def of(name: str) -> MaterialType:
    """The type of this name.

    Raises:
        Invalid: no type has this name.
    """
    found = _BY_NAME.get(name)
    if found is None:
        import difflib  # lazy: 3 ms, for a type that is misspelt

        nearest = difflib.get_close_matches(name[:64].upper(), _BY_NAME, n=1)
        fix = f"did you mean {nearest[0]}?" if nearest else f"use one of {', '.join(_BY_NAME)}"
        raise errors.Invalid(f"unknown material type {name[:64]!r}", fix=fix)
    return found
