"""The one table of material types: wire number, media type, what is checked and extracted, and how large it may be.

Validation, readers, detection, documentation and help read it. `api.vocabulary.MaterialType` repeats the names for the
CRDs, and a test holds both lists equal. A row names its reader;
`validation` imports it when it is needed.

>>> of("SBOM_CYCLONEDX_JSON").media_type
'application/vnd.cyclonedx+json'
"""

from enum import StrEnum

from avouch import errors
from avouch.values import dataclass

MIB = 1024 * 1024
PREFIX = "chainloop.material."


class Form(StrEnum):
    """What a run delivers for a material."""

    VALUE = "value"  # the text itself
    IMAGE = "image"  # a registry reference with a digest; the bytes stay in the registry
    FILE = "file"  # bytes


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
    MaterialType("STRING", 1, _TEXT, "values.string", "text in UTF-8", form=Form.VALUE, limit=64 * 1024),
    MaterialType("CONTAINER_IMAGE", 2, "application/vnd.oci.image.manifest.v1+json", "values.image",
                 "grammar of the reference; the client looks it up in its registry", form=Form.IMAGE, limit=4096),
    MaterialType("ARTIFACT", 3, _BYTES, "", "not empty", limit=_LARGE, window=0),
    MaterialType("SBOM_CYCLONEDX_JSON", 4, "application/vnd.cyclonedx+json", "sboms.cyclonedx",
                 "official schemas of CycloneDX 1.4 to 1.7",
                 (*_MAIN, *_TOOLS, "sbom.vulnerabilities_report"), limit=_BIG),
    MaterialType("SBOM_SPDX_JSON", 5, "application/spdx+json", "sboms.spdx",
                 "official schemas of SPDX 2.2, 2.3 and 3.0.1", (*_MAIN, *_TOOLS), limit=_BIG),
    MaterialType("JUNIT_XML", 6, _XML, "junit.read",
                 "XML with at least one test suite, or a zip or tar.gz of such files", limit=_BIG),
    MaterialType("OPENVEX", 7, _JSON, "advisories.openvex",
                 "official schema of OpenVEX 0.2.0; required fields of older drafts"),
    MaterialType("CSAF_VEX", 8, _JSON, "advisories.csaf_vex",
                 "official schemas of CSAF 2.0 and 2.1, and the category", _TOOLS),
    MaterialType("SARIF", 9, "application/sarif+json", "sarif.read",
                 "official schema of SARIF 2.1.0", (*_TOOLS, "scan.types"), limit=_BIG),
    MaterialType("HELM_CHART", 10, "application/vnd.cncf.helm.chart.content.v1.tar+gzip", "packages.helm",
                 "a .tgz with Chart.yaml (name, version) and values.yaml", limit=_BIG),
    MaterialType("EVIDENCE", 11, _BYTES, "chainloop.evidence",
                 "not empty", ("evidence.id", "evidence.schema"), limit=_LARGE, window=4 * MIB),
    MaterialType("ATTESTATION", 12, _JSON, "statements.attestation",
                 "DSSE envelope or Sigstore bundle, in-toto statement, predicate type; no signature"),
    MaterialType("CSAF_INFORMATIONAL_ADVISORY", 13, _JSON, "advisories.csaf_informational_advisory",
                 "official schemas of CSAF 2.0 and 2.1, and the category", _TOOLS),
    MaterialType("CSAF_SECURITY_ADVISORY", 14, _JSON, "advisories.csaf_security_advisory",
                 "official schemas of CSAF 2.0 and 2.1, and the category", _TOOLS),
    MaterialType("CSAF_SECURITY_INCIDENT_RESPONSE", 15, _JSON, "advisories.csaf_security_incident_response",
                 "official schemas of CSAF 2.0 and 2.1, and the category", _TOOLS),
    MaterialType("GITLAB_SECURITY_REPORT", 16, _JSON, "scans.gitlab",
                 "version, known scan type, list of vulnerabilities", _TOOLS, limit=_BIG),
    MaterialType("ZAP_DAST_ZIP", 17, "application/zip", "packages.zap",
                 "a zip with report_json.json by ZAP", _TOOL, limit=_BIG),
    MaterialType("BLACKDUCK_SCA_JSON", 18, _JSON, "scans.blackduck", "its three detailed parts", limit=_BIG),
    MaterialType("TWISTCLI_SCAN_JSON", 19, _JSON, "scans.twistcli", "results and consoleURL"),
    MaterialType("GHAS_CODE_SCAN", 20, _JSON, "scans.ghas_code", "a list of alerts, each with tool", limit=_BIG),
    MaterialType("GHAS_SECRET_SCAN", 21, _JSON, "scans.ghas_secret",
                 "a list of alerts, each with secret_type", limit=_BIG),
    MaterialType("GHAS_DEPENDENCY_SCAN", 22, _JSON, "scans.ghas_dependency",
                 "a list of alerts, each with dependency", limit=_BIG),
    MaterialType("JACOCO_XML", 23, _XML, "coverage.jacoco",
                 "report with counters of its own, INSTRUCTION among them", limit=_BIG),
    MaterialType("SLSA_PROVENANCE", 24, _JSON, "statements.slsa",
                 "Sigstore bundle, in-toto statement, fields of provenance v1; no signature"),
    MaterialType("CHAINLOOP_RUNNER_CONTEXT", 25, _JSON, "chainloop.runner_context",
                 "meta with id, data; types of their fields"),
    MaterialType("CHAINLOOP_PR_INFO", 26, _JSON, "chainloop.pr_info",
                 "its envelope; types of the fields of data", ("evidence.id", "evidence.schema")),
    MaterialType("GITLEAKS_JSON", 27, _JSON, "secrets.gitleaks",
                 "a list of leaks, each with Fingerprint", _NAME, limit=_BIG),
    MaterialType("CHAINLOOP_AI_AGENT_CONFIG", 28, _JSON, "chainloop.agent_config",
                 "its envelope; fields of data, no others", ("aiagent.name",)),
    MaterialType("CHAINLOOP_AI_CODING_SESSION", 29, _JSON, "chainloop.coding_session",
                 "its envelope; fields of data, no others", ("aiagent.name", "aiagent.model"), limit=_BIG),
    MaterialType("OPENAPI_SPEC", 30, "application/vnd.oai.openapi", "apis.openapi",
                 "official schemas of OpenAPI 2.0, 3.0, 3.1 and 3.2", _API),
    MaterialType("ASYNCAPI_SPEC", 31, "application/vnd.aai.asyncapi", "apis.asyncapi",
                 "official schemas of AsyncAPI 2.6, 3.0 and 3.1", (*_API, "api.protocol")),
    MaterialType("GRAPHQL_SPEC", 32, "application/graphql", "graphqls.read",
                 "parsed by graphql-core; definitions only", ("graphql.type_count", "graphql.directives")),
    MaterialType("YELP_DETECT_SECRETS_BASELINE", 33, _JSON, "secrets.detect_secrets",
                 "version, plugins_used, results", _TOOL),
    MaterialType("SYSINTERNALS_SIGCHECK", 34, "text/csv", "sysinternals.sigcheck",
                 "CSV or TSV with Path and Verified, each row complete", _NAME),
    MaterialType("SYSINTERNALS_ACCESSCHK", 35, _TEXT, "sysinternals.accesschk",
                 "text with its banner, an access or a descriptor", _TOOL),
    MaterialType("CERTCC_DRANZER", 36, _BYTES, "fuzzers.dranzer",
                 "typical lines of the report, or an archive of such reports", (*_TOOL, "dranzer.reports.count")),
    MaterialType("OSSF_SCORECARD_JSON", 37, _JSON, "scorecard.read",
                 "official schema of Scorecard's JSON", (*_TOOL, "scorecard.score")),
    MaterialType("RADAMSA_REPORT", 38, _BYTES, "fuzzers.radamsa_report",
                 "each line is a record of radamsa -M, or an archive of such logs",
                 ("tool.name", "radamsa.report.records.count"), empty=True),
    MaterialType("RADAMSA_CRASHES", 39, _BYTES, "fuzzers.radamsa_crashes",
                 "not empty; an archive can be read", ("tool.name", "radamsa.crashes.count"), limit=_BIG),
    MaterialType("TRUFFLEHOG_JSON", 40, _JSON, "secrets.trufflehog",
                 "lines or a list of findings, each with DetectorName", _NAME, limit=_BIG, empty=True),
    MaterialType("COBERTURA_XML", 41, _XML, "coverage.cobertura",
                 "coverage with packages or a line-rate other than 0", limit=_BIG),
    MaterialType("CHECKMARX_JSON", 42, _JSON, "scans.checkmarx",
                 "scanID and results, each with type and data", ("tool.name", "scan.types"), limit=_BIG),
)
# fmt: on
_BY_NAME = {material.name: material for material in MATERIALS}


def of(name: str) -> MaterialType:
    """The type of this name.

    Raises:
        Invalid: no type has this name.
    """
    found = _BY_NAME.get(name)
    if found is None:
        raise errors.Invalid(f"unknown material type {name[:64]!r}", fix=f"use one of {', '.join(_BY_NAME)}")
    return found
