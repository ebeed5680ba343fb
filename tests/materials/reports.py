"""Reports of scanners and of tests."""

import copy
from typing import Any

from tests.materials import packing
from tests.materials.cases import Bad, Good, P, hostile_json, hostile_xml, j, tool

SUITE = (
    b'<?xml version="1.0"?><testsuites><testsuite name="s" tests="1"><testcase name="t"/></testsuite></testsuites>\n'
)
_HUGE = b" " * (65 * 1024 * 1024)
JUNIT = (
    Good("good.xml", SUITE),
    Good("good-suite.xml", b'<testsuite tests="0"/>\n'),
    Good("good-cases.xml", b'<testsuites><testcase name="one"/></testsuites>\n'),
    Good("good.zip", packing.zip_of(("a/", b""), ("a/one.xml", SUITE), ("a/notes.txt", b"x"))),
    Good("good.tar.gz", packing.tgz_of(("one.xml", SUITE), ("two.XML", SUITE))),
    Bad("bad-html.xml", b"<html><testsuite/></html>", "its root is <html>"),
    Bad("bad-empty.xml", b"<testsuites/>", "it holds no testsuite"),
    Bad("bad-no-xml.zip", packing.zip_of(("a.txt", b"x")), "the archive holds no .xml file"),
    Bad("bad-one-wrong.zip", packing.zip_of(("a.xml", SUITE), ("b.xml", b"<html/>")), "file 'b.xml': its root"),
    Bad("bad-path.zip", packing.zip_of(("../a.xml", SUITE)), "is a path outside the archive"),
    Bad("bad-path.tar.gz", packing.tgz_of(("/etc/a.xml", SUITE)), "is a path outside the archive"),
    Bad("bad-bomb.zip", packing.zip_of(("a.xml", _HUGE)), "unpacks to more than"),
    Bad("bad-many.zip", packing.zip_of(*((f"{n}.txt", b"") for n in range(1001))), "more than 1000 files"),
    Bad("bad-link.tar.gz", packing.link_tgz("a.xml", "/etc/passwd"), "the archive holds no .xml file"),
    Bad("bad-cut.zip", packing.zip_of(("a.xml", SUITE))[:40], "cannot be read"),
    Bad("bad-cut.tar.gz", packing.tgz_of(("a.xml", SUITE))[:40], "ends too early"),
    *hostile_xml("testsuites"),
)
_COUNTERS = '<counter type="INSTRUCTION" missed="1" covered="3"/><counter type="LINE" missed="0" covered="1"/>'
_JACOCO_TYPE = '<!DOCTYPE report PUBLIC "-//JACOCO//DTD Report 1.1//EN" "report.dtd">'
JACOCO = (
    Good(
        "good.xml",
        f'<?xml version="1.0"?>{_JACOCO_TYPE}<report name="r"><package name="p"/>{_COUNTERS}</report>'.encode(),
    ),
    Bad(
        "bad-no-counter.xml",
        b'<report name="r"><package><counter type="INSTRUCTION"/></package></report>',
        "no INSTRUC",
    ),
    Bad("bad-count.xml", b'<report><counter type="INSTRUCTION" missed="x" covered="1"/></report>', "no number missed"),
    Bad("bad-root.xml", b"<coverage/>", "its root is <coverage>"),
    *hostile_xml("report"),
)
_COBERTURA_TYPE = '<!DOCTYPE coverage SYSTEM "http://cobertura.sourceforge.net/xml/coverage-04.dtd">'
COBERTURA = (
    Good(
        "good.xml",
        f'<?xml version="1.0"?>{_COBERTURA_TYPE}<coverage line-rate="0"><packages><package name="p"/></packages>'
        "</coverage>".encode(),
    ),
    Good("good-nan.xml", b'<coverage line-rate="NaN"><packages/></coverage>'),
    Bad("bad-nothing.xml", b'<coverage line-rate="0"><packages/></coverage>', "no package, and a line-rate of 0"),
    Bad("bad-rate.xml", b'<coverage line-rate="good"/>', "line-rate 'good' is not a number"),
    Bad("bad-percent.xml", b'<coverage line-rate="87"/>', "not from 0 to 1"),
    Bad("bad-root.xml", b"<report/>", "its root is <report>"),
    *hostile_xml("coverage"),
)


def _sarif(name: str, *rules: str) -> dict[str, Any]:
    return {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": {"name": name, "version": "1.7"}},
                "results": [{"ruleId": rule, "message": {"text": "m"}} for rule in rules],
            }
        ],
    }


_CHECKED = _sarif("Checkmarx One", "XSS (sast)", "CVE-1 (sca)", "Password (kics)", "other (new)")
_NO_DRIVER = copy.deepcopy(_sarif("x"))
del _NO_DRIVER["runs"][0]["tool"]["driver"]
SARIF = (
    Good("good.sarif", j(_sarif("Bandit", "B101")), tool("Bandit", "1.7")),
    Good("good-control.sarif", j(_sarif("Bandit", "B101")).replace(b'"m"', b'"m\x01\tx"'), tool("Bandit", "1.7")),
    Good(
        "good-checkmarx.sarif",
        j(_CHECKED),
        tool("Checkmarx One", "1.7") | {f"{P}scan.types": "iac,sast,sca"},
    ),
    Bad("bad-no-schema.json", j({k: v for k, v in _sarif("x").items() if k != "$schema"}), "it has no $schema"),
    Bad("bad-version.json", j(_sarif("x") | {"version": "1.0.0"}), "not SARIF 2.1.0"),
    Bad("bad-no-driver.json", j(_NO_DRIVER), "not valid SARIF: runs/0/tool"),
    *hostile_json(j(_sarif("x"))),
)


def _gitlab(kind: str = "sast", **scan: Any) -> dict[str, Any]:
    return {"version": "15.0.0", "vulnerabilities": [], "scan": {"type": kind, **scan}}


_SEMGREP = {"id": "semgrep", "name": "Semgrep", "version": "1.2"}
GITLAB = (
    Good("good-scanner.json", j(_gitlab(scanner=_SEMGREP, analyzer={"name": "x"})), tool("Semgrep", "1.2")),
    Good("good-analyzer.json", j(_gitlab("cluster_image_scanning", analyzer=_SEMGREP)), tool("Semgrep", "1.2")),
    Bad("bad-type.json", j(_gitlab("sonarqube")), "Missing scan type"),
    Bad("bad-no-scan.json", j({"version": "15.0.0", "vulnerabilities": []}), "Missing scan type"),
    Bad("bad-no-version.json", j({"scan": {"type": "dast"}}), "it needs a version"),
    *hostile_json(j(_gitlab())),
)
_ZAP = {"@programName": "ZAP", "@version": "2.15", "site": []}
ZAP = (
    Good(
        "good.zip",
        packing.zip_of(("report_json.json", j(_ZAP)), ("report_html.html", b"<html>")),
        tool("ZAP", "2.15", listed=False),
    ),
    Bad("bad-no-report.zip", packing.zip_of(("other.json", j(_ZAP))), "does not contain the ZAP report"),
    Bad("bad-program.zip", packing.zip_of(("report_json.json", j(_ZAP | {"@programName": "x"}))), "not by ZAP"),
    Bad("bad-json.zip", packing.zip_of(("report_json.json", b"{")), "not JSON"),
    Bad("bad-path.zip", packing.zip_of(("report_json.json", j(_ZAP)), ("a/../../b", b"")), "a path outside"),
    Bad("bad-no-zip.json", j(_ZAP), "can't open the zip file"),
)
_DUCK: dict[str, Any] = {
    "detailedVulnerabilities": [],
    "detailedProjectVersionCustomFields": [],
    "detailedCodeLocations": [],
}
BLACKDUCK = (
    Good("good.json", j(_DUCK)),
    Bad("bad-null.json", j(_DUCK | {"detailedCodeLocations": None}), "detailedCodeLocations missing"),
    Bad("bad-missing.json", b"{}\n", "detailedVulnerabilities, detailedProject"),
    *hostile_json(j(_DUCK)),
)
_TWIST = {"results": [{"id": "sha256:00", "vulnerabilities": []}], "consoleURL": "https://console.example.com"}
TWISTCLI = (
    Good("good.json", j(_TWIST)),
    Bad("bad-null.json", j(_TWIST | {"results": None}), "list of results and consoleURL"),
    Bad("bad-no-console.json", j({"results": []}), "list of results and consoleURL"),
    *hostile_json(j(_TWIST)),
)


def ghas(field: str, kind: str, value: Any) -> tuple[Good | Bad, ...]:
    """The cases of one of GitHub's three lists of alerts."""
    good = j([{"number": 1, "state": "open", field: value}])
    return (
        Good("good.json", good, detected="ARTIFACT"),
        Good("good-clean.json", b"[]\n", detected="ARTIFACT"),
        Bad("bad-field.json", b'[{"number": 1}]\n', f"{field} field not found in GHAS {kind} scan"),
        Bad("bad-second.json", j([{field: value}, {"number": 2}]), f"{field} field not found"),
        Bad("bad-object.json", b'{"message": "Not Found"}\n', "not a JSON list but an object"),
        *hostile_json(good),
    )


_CHECKMARX = {
    "scanID": "1",
    "results": [{"type": "sast", "data": {"queryId": 1}}, {"type": "kics", "data": {}}, {"type": "new", "data": {}}],
}
CHECKMARX = (
    Good(
        "good.json",
        j(_CHECKMARX),
        tool("checkmarx", listed=False) | {f"{P}scan.types": "iac,sast"},
        detected="ARTIFACT",
    ),
    Good("good-null.json", b'{"scanID": "1", "results": null}\n', tool("checkmarx", listed=False), "ARTIFACT"),
    Bad("bad-no-id.json", b'{"results": []}\n', "scanID and results"),
    Bad("bad-no-results.json", b'{"scanID": "1"}\n', "scanID and results"),
    Bad("bad-result.json", b'{"scanID": "1", "results": [{"type": "sast"}]}\n', "type and data"),
    *hostile_json(j(_CHECKMARX)),
)
_LEAK = [{"RuleID": "aws", "File": "a", "Fingerprint": "a:aws:1"}]
GITLEAKS = (
    Good("good.json", j(_LEAK), tool("gitleaks", listed=False)),
    Good("good-clean.json", b"[]\n", tool("gitleaks", listed=False), "ARTIFACT"),
    Bad("bad-leak.json", b'[{"RuleID": "aws"}]\n', "a leak without Fingerprint"),
    Bad("bad-object.json", b"{}\n", "not a JSON list but an object"),
    *hostile_json(j(_LEAK)),
)
_BASELINE = {"version": "1.5.0", "plugins_used": [{"name": "AWSKeyDetector"}], "results": {}}
DETECT_SECRETS = (
    Good("good.json", j(_BASELINE), tool("detect-secrets", "1.5.0", listed=False)),
    Bad("bad-results.json", j(_BASELINE | {"results": []}), "results missing"),
    Bad("bad-version.json", b'{"plugins_used": [], "results": {}}\n', "version missing"),
    *hostile_json(j(_BASELINE)),
)
_HOG = b'{"DetectorName": "AWS", "Verified": false}\n{"DetectorName": "Stripe"}\n'
TRUFFLEHOG = (
    Good("good.jsonl", _HOG, tool("trufflehog", listed=False), "ARTIFACT"),
    Good("good-list.json", b'[{"DetectorName": "AWS"}]\n', tool("trufflehog", listed=False), "ARTIFACT"),
    Good("good-clean.json", b"", tool("trufflehog", listed=False)),
    Bad("bad-finding.jsonl", b'{"DetectorName": "AWS"}\n{"Detector": "x"}\n', "a finding without DetectorName"),
    Bad("bad-list.json", b'["AWS"]\n', "a finding without DetectorName"),
    Bad("bad-text.txt", b"no secrets found\n", "not JSON"),
    *hostile_json(b'[{"DetectorName": "AWS"}]'),
)
_SCORECARD: dict[str, Any] = {
    "date": "2026-01-01",
    "repo": {"name": "github.com/example/shop", "commit": "abc"},
    "scorecard": {"version": "v5.0.0", "commit": "def"},
    "score": 7.5,
    "checks": [
        {"name": "CI", "score": 10, "reason": "ok", "details": None, "documentation": {"url": "u", "short": "s"}}
    ],
    "metadata": None,
}
SCORECARD = (
    Good("good.json", j(_SCORECARD), tool("scorecard", "v5.0.0", listed=False) | {f"{P}scorecard.score": "7.5"}),
    Good(
        "good-no-score.json",
        j({k: v for k, v in _SCORECARD.items() if k != "score"}),
        tool("scorecard", "v5.0.0", listed=False),
    ),
    Bad("bad-no-version.json", j(_SCORECARD | {"scorecard": {}}), "scorecard.version is missing"),
    Bad("bad-score.json", j(_SCORECARD | {"score": "high"}), "score: "),
    Bad("bad-huge-score.json", j(_SCORECARD | {"score": 10**400}), "not between -1 and 10"),
    Bad("bad-infinite-score.json", j(_SCORECARD).replace(b"7.5", b"1e400"), 'not of type "number"'),
    Bad("bad-check.json", j(_SCORECARD | {"checks": [{"name": "CI"}]}), "checks/0"),
    *hostile_json(j(_SCORECARD)),
)
