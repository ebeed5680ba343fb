"""The table of cases: for each of the types, files that are what they claim and files that are not."""

from collections.abc import Iterator
from pathlib import Path

from tests.materials import boms, others, reports
from tests.materials.cases import Bad, Good

FOLDER = Path(__file__).parents[1] / "assets" / "materials"

CASES: dict[str, tuple[Good | Bad, ...]] = {
    "STRING": others.STRING,
    "CONTAINER_IMAGE": others.IMAGE,
    "ARTIFACT": others.ARTIFACT,
    "SBOM_CYCLONEDX_JSON": boms.CYCLONEDX,
    "SBOM_SPDX_JSON": boms.SPDX,
    "JUNIT_XML": reports.JUNIT,
    "OPENVEX": boms.OPENVEX,
    "CSAF_VEX": boms.csaf("csaf_vex"),
    "SARIF": reports.SARIF,
    "HELM_CHART": others.HELM,
    "EVIDENCE": others.EVIDENCE,
    "ATTESTATION": others.ATTESTATION,
    "CSAF_INFORMATIONAL_ADVISORY": boms.csaf("csaf_informational_advisory"),
    "CSAF_SECURITY_ADVISORY": boms.csaf("csaf_security_advisory"),
    "CSAF_SECURITY_INCIDENT_RESPONSE": boms.csaf("csaf_security_incident_response"),
    "GITLAB_SECURITY_REPORT": reports.GITLAB,
    "ZAP_DAST_ZIP": reports.ZAP,
    "BLACKDUCK_SCA_JSON": reports.BLACKDUCK,
    "TWISTCLI_SCAN_JSON": reports.TWISTCLI,
    "GHAS_CODE_SCAN": reports.ghas("tool", "code", {"name": "CodeQL"}),
    "GHAS_SECRET_SCAN": reports.ghas("secret_type", "secret", "token"),
    "GHAS_DEPENDENCY_SCAN": reports.ghas("dependency", "dependency", {"scope": "runtime"}),
    "JACOCO_XML": reports.JACOCO,
    "SLSA_PROVENANCE": others.SLSA,
    "CHAINLOOP_RUNNER_CONTEXT": others.RUNNER_CONTEXT,
    "CHAINLOOP_PR_INFO": others.PR_INFO,
    "GITLEAKS_JSON": reports.GITLEAKS,
    "CHAINLOOP_AI_AGENT_CONFIG": others.AGENT_CONFIG,
    "CHAINLOOP_AI_CODING_SESSION": others.CODING_SESSION,
    "OPENAPI_SPEC": others.OPENAPI,
    "ASYNCAPI_SPEC": others.ASYNCAPI,
    "GRAPHQL_SPEC": others.GRAPHQL,
    "YELP_DETECT_SECRETS_BASELINE": reports.DETECT_SECRETS,
    "SYSINTERNALS_SIGCHECK": others.SIGCHECK,
    "SYSINTERNALS_ACCESSCHK": others.ACCESSCHK,
    "CERTCC_DRANZER": others.DRANZER,
    "OSSF_SCORECARD_JSON": reports.SCORECARD,
    "RADAMSA_REPORT": others.RADAMSA_REPORT,
    "RADAMSA_CRASHES": others.RADAMSA_CRASHES,
    "TRUFFLEHOG_JSON": reports.TRUFFLEHOG,
    "COBERTURA_XML": reports.COBERTURA,
    "CHECKMARX_JSON": reports.CHECKMARX,
}


def good() -> Iterator[tuple[str, Good]]:
    """Each good file with its type."""
    return ((name, case) for name, cases in CASES.items() for case in cases if isinstance(case, Good))


def bad() -> Iterator[tuple[str, Bad]]:
    """Each bad file with its type."""
    return ((name, case) for name, cases in CASES.items() for case in cases if isinstance(case, Bad))
