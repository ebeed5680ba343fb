"""The one table of material types: wire number, media type, what a run says of it, and how large it may be.

>>> of("SBOM_CYCLONEDX_JSON").media_type
'application/vnd.cyclonedx+json'
"""

from dataclasses import dataclass
from enum import StrEnum

from avouch import errors

MIB = 1024 * 1024


class Form(StrEnum):
    """What a run hands over for a material."""

    VALUE = "value"  # the text itself
    IMAGE = "image"  # a registry reference with a digest; the bytes stay in the registry
    FILE = "file"  # bytes


@dataclass(frozen=True, slots=True)
class MaterialType:
    """One type of material. `limit` is the default number of bytes that a reader accepts."""

    name: str
    number: int
    media_type: str
    form: Form = Form.FILE
    limit: int = 16 * MIB
    empty: bool = False  # an empty file says something (a clean scan), so it is accepted


_JSON = "application/json"
_XML = "application/xml"
_TEXT = "text/plain"
_BYTES = "application/octet-stream"
_LARGE = 1024 * MIB  # never parsed, only hashed and stored

MATERIALS = (
    MaterialType("STRING", 1, _TEXT, Form.VALUE, 64 * 1024),
    MaterialType("CONTAINER_IMAGE", 2, "application/vnd.oci.image.manifest.v1+json", Form.IMAGE, 4096),
    MaterialType("ARTIFACT", 3, _BYTES, limit=_LARGE),
    MaterialType("SBOM_CYCLONEDX_JSON", 4, "application/vnd.cyclonedx+json", limit=64 * MIB),
    MaterialType("SBOM_SPDX_JSON", 5, "application/spdx+json", limit=64 * MIB),
    MaterialType("JUNIT_XML", 6, _XML),
    MaterialType("OPENVEX", 7, _JSON),
    MaterialType("CSAF_VEX", 8, _JSON),
    MaterialType("SARIF", 9, "application/sarif+json", limit=64 * MIB),
    MaterialType("HELM_CHART", 10, "application/vnd.cncf.helm.chart.content.v1.tar+gzip", limit=64 * MIB),
    MaterialType("EVIDENCE", 11, _BYTES, limit=_LARGE),
    MaterialType("ATTESTATION", 12, _JSON),
    MaterialType("CSAF_INFORMATIONAL_ADVISORY", 13, _JSON),
    MaterialType("CSAF_SECURITY_ADVISORY", 14, _JSON),
    MaterialType("CSAF_SECURITY_INCIDENT_RESPONSE", 15, _JSON),
    MaterialType("GITLAB_SECURITY_REPORT", 16, _JSON),
    MaterialType("ZAP_DAST_ZIP", 17, "application/zip", limit=64 * MIB),
    MaterialType("BLACKDUCK_SCA_JSON", 18, _JSON, limit=64 * MIB),
    MaterialType("TWISTCLI_SCAN_JSON", 19, _JSON),
    MaterialType("GHAS_CODE_SCAN", 20, _JSON),
    MaterialType("GHAS_SECRET_SCAN", 21, _JSON),
    MaterialType("GHAS_DEPENDENCY_SCAN", 22, _JSON),
    MaterialType("JACOCO_XML", 23, _XML, limit=64 * MIB),
    MaterialType("SLSA_PROVENANCE", 24, _JSON),
    MaterialType("CHAINLOOP_RUNNER_CONTEXT", 25, _JSON),
    MaterialType("CHAINLOOP_PR_INFO", 26, _JSON),
    MaterialType("GITLEAKS_JSON", 27, _JSON),
    MaterialType("CHAINLOOP_AI_AGENT_CONFIG", 28, _JSON),
    MaterialType("CHAINLOOP_AI_CODING_SESSION", 29, _JSON, limit=64 * MIB),
    MaterialType("OPENAPI_SPEC", 30, "application/vnd.oai.openapi"),
    MaterialType("ASYNCAPI_SPEC", 31, "application/vnd.aai.asyncapi"),
    MaterialType("GRAPHQL_SPEC", 32, "application/graphql"),
    MaterialType("YELP_DETECT_SECRETS_BASELINE", 33, _JSON),
    MaterialType("SYSINTERNALS_SIGCHECK", 34, "text/csv"),
    MaterialType("SYSINTERNALS_ACCESSCHK", 35, _TEXT),
    MaterialType("CERTCC_DRANZER", 36, _BYTES),
    MaterialType("OSSF_SCORECARD_JSON", 37, _JSON),
    MaterialType("RADAMSA_REPORT", 38, _BYTES, empty=True),
    MaterialType("RADAMSA_CRASHES", 39, _BYTES, limit=64 * MIB),
    MaterialType("TRUFFLEHOG_JSON", 40, _JSON, empty=True),
    MaterialType("COBERTURA_XML", 41, _XML, limit=64 * MIB),
    MaterialType("CHECKMARX_JSON", 42, _JSON, limit=64 * MIB),
)
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
