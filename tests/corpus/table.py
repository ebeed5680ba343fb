"""The corpus: every report, and the types that no tool here could write a report of."""

from tests.corpus import boms, linters, others, scans, testruns

REPORTS = (*boms.REPORTS, *scans.REPORTS, *linters.REPORTS, *testruns.REPORTS, *others.REPORTS)

# What no report stands for, and why. "not on this machine's registries": asked for by its name with go, pip or npm.
MISSING = {
    "STRING": "a value: no tool writes a report of it",
    "CONTAINER_IMAGE": "a reference: no tool writes a report of it",
    "EVIDENCE": "any file",
    "CSAF_INFORMATIONAL_ADVISORY": "csaf-tool and lib4vex write the VEX profile only",
    "CSAF_SECURITY_ADVISORY": "csaf-tool and lib4vex write the VEX profile only",
    "CSAF_SECURITY_INCIDENT_RESPONSE": "csaf-tool and lib4vex write the VEX profile only",
    "ZAP_DAST_ZIP": "ZAP needs add-ons that are on no registry, and a site to attack",
    "BLACKDUCK_SCA_JSON": "a service with a licence",
    "TWISTCLI_SCAN_JSON": "a service with a licence",
    "GHAS_CODE_SCAN": "answers of GitHub's API",
    "GHAS_SECRET_SCAN": "answers of GitHub's API",
    "GHAS_DEPENDENCY_SCAN": "answers of GitHub's API",
    "CHAINLOOP_RUNNER_CONTEXT": "collected inside Chainloop's platform",
    "CHAINLOOP_PR_INFO": "collected inside a pull request at GitHub or GitLab",
    "CHAINLOOP_AI_AGENT_CONFIG": "collected inside a session of a coding agent",
    "CHAINLOOP_AI_CODING_SESSION": "collected inside a session of a coding agent",
    "SYSINTERNALS_SIGCHECK": "runs on Windows only",
    "SYSINTERNALS_ACCESSCHK": "runs on Windows only",
    "CERTCC_DRANZER": "runs on Windows only",
    "OSSF_SCORECARD_JSON": "github.com/ossf/scorecard v4 and v5: not on this machine's registries",
    "RADAMSA_REPORT": "not on this machine's registries",
    "RADAMSA_CRASHES": "not on this machine's registries",
    "TRUFFLEHOG_JSON": "github.com/trufflesecurity/trufflehog/v3: not on this machine's registries",
    "CHECKMARX_JSON": "a service with a licence",
}
# Tools that could not be run, though other reports of their type are here.
NOT_RUN = {
    "trivy": "not on this machine's registries",
    "vexctl": "not on this machine's registries",
    "cyclonedx-gomod": "not on this machine's registries",
    "bom (Kubernetes)": "not on this machine's registries",
    "kube-linter": "not on this machine's registries",
    "syft after 1.18.1": "its Go module needs github.com/github/go-spdx, which is not on this machine's registries",
    "grype": "needs a data base of vulnerabilities from a site that is not reached",
    "osv-scanner": "asks an API that is not reached",
    "pip-audit with findings": "the index here answers no questions on vulnerabilities: its reports are empty",
    "npm audit signatures": "its trust root is on a site that is not reached; cosign wrote the provenance instead",
    "semgrep's own rules": "on a site that is not reached; a rule of ours is used",
}
