"""Reports of scanners and of tests."""

import copy
from typing import Any

from tests.materials import packing
from tests.materials.cases import Bad, Good, P, hostile_json, hostile_xml, j, tool

SUITE = (
    b'<?xml version="1.0"?><testsuites><testsuite name="s" tests="1"><testcase name="t"/></testsuite></testsuites>\n'
)
_HUGE = b" " * (65 * 1024 * 1024)
_APPLE_DOUBLE = b"\x00\x05\x16\x07\x00\x02\x00\x00"
_OF_A_MAC = (("__MACOSX/r/._a.xml", _APPLE_DOUBLE), ("r/.DS_Store", b"\x00\x00\x00\x01Bud1"))
JUNIT = (
    Good("good.xml", SUITE),
    Good("good-suite.xml", b'<testsuite tests="0"/>\n'),
    Good("good-cases.xml", b'<testsuites><testcase name="one"/></testsuites>\n'),
    Good("good.zip", packing.zip_of(("a/", b""), ("a/one.xml", SUITE), ("a/notes.txt", b"x"))),
    Good("good.tar.gz", packing.tgz_of(("one.xml", SUITE), ("two.XML", SUITE))),
    Bad("bad-html.xml", b"<html><testsuite/></html>", "its root is <html>"),
    Bad("bad-empty.xml", b"<testsuites/>", "it holds no testsuite"),
    Bad("bad-no-xml.zip", packing.zip_of(("a.txt", b"x")), "the archive holds no .xml file"),
    Good(
        "good-failsafe.zip",
        packing.zip_of(
            ("failsafe-summary.xml", b"<failsafe-summary/>"), ("none.xml", b"<testsuites/>"), ("a.xml", SUITE)
        ),
        noted="'failsafe-summary.xml' is passed over: its root is <failsafe-summary>",
    ),
    Good("good-mac.zip", packing.zip_of(*_OF_A_MAC, ("r/._a.xml", _APPLE_DOUBLE), ("r/a.xml", SUITE))),
    Good("good.tar", packing.tar_of(("a.xml", SUITE)), detected="ARTIFACT"),
    Good("good-utf16.xml", SUITE.decode().encode("utf-16")),
    Bad("bad-no-report.zip", packing.zip_of(("b.xml", b"<html/>")), "'b.xml' is passed over: its root is <html>"),
    Bad("bad-one-cut.zip", packing.zip_of(("a.xml", SUITE), ("b.xml", SUITE[:60])), "file 'b.xml': not XML"),
    Bad("bad-json.xml", b'{"tests": 1}', "it is JSON"),
    Bad("bad-tap.xml", b"TAP version 13\n1..1\nok 1\n", "it is TAP"),
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
_CLOVER = (
    b'<coverage generated="1" clover="3"><project timestamp="1"><metrics/><package name="a"/></project></coverage>'
)
COBERTURA = (
    Good(
        "good.xml",
        f'<?xml version="1.0"?>{_COBERTURA_TYPE}<coverage line-rate="0"><packages><package name="p"/></packages>'
        "</coverage>".encode(),
    ),
    Good("good-nan.xml", b'<coverage line-rate="NaN"><packages/></coverage>'),
    Bad("bad-nothing.xml", b'<coverage line-rate="0"><packages/></coverage>', "no package, and a line-rate of 0"),
    Bad("bad-clover.xml", _CLOVER, "it is Clover's"),
    Bad("bad-comma.xml", b'<coverage line-rate="0,5"/>', "the line-rate '0,5' is not a number"),
    Bad("bad-go.xml", b"mode: set\nshop/a.go:1.2,3.4 1 1\n", "it is a coverage profile of Go"),
    Bad("bad-lcov.xml", b"TN:\nSF:a.js\n", "it is LCOV"),
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


def _ruled(name: str, rule: dict[str, Any], *found: str) -> dict[str, Any]:
    log = _sarif(name, *found)
    log["runs"][0]["tool"]["driver"]["rules"] = [rule]
    return log


def _exported(name: str, *found: str) -> dict[str, Any]:
    """As a portal writes the findings of Checkmarx: its own name, and the engine's as a tag of the rule."""
    return _ruled(name, {"id": found[0], "properties": {"tags": ["checkmarx"]}}, *found)


def _null_results() -> dict[str, Any]:
    log = _sarif("scanner")
    log["runs"][0]["results"] = None
    return log


def _found(region: dict[str, Any], **more: Any) -> dict[str, Any]:
    log = _sarif("scanner", "R1")
    place = {"physicalLocation": {"artifactLocation": {"uri": "a"}, "region": region}}
    log["runs"][0]["results"][0] |= {"locations": [place], **more}
    return log


_CHECKED = _sarif("Checkmarx One", "XSS (sast)", "CVE-1 (sca)", "Password (kics)", "other (new)")
_NO_DRIVER = copy.deepcopy(_sarif("x"))
del _NO_DRIVER["runs"][0]["tool"]["driver"]
SARIF = (
    Good("good.sarif", j(_sarif("Bandit", "B101")), tool("Bandit", "1.7")),
    Good(
        "good-control.sarif",
        j(_sarif("Bandit", "B101")).replace(b'"m"', b'"m\x01\tx"'),
        tool("Bandit", "1.7"),
        noted="raw control characters",
    ),
    Good(
        "good-checkmarx.sarif",
        j(_CHECKED),
        tool("Checkmarx One", "1.7") | {f"{P}scan.types": "iac,sast,sca"},
    ),
    Good(
        "good-no-schema.sarif",
        j({k: v for k, v in _sarif("Bandit", "B101").items() if k != "$schema"}),
        tool("Bandit", "1.7"),
    ),
    Good(
        "good-checkmarx-export.sarif",
        j(_exported("Portal export", "XSS ( SAST )", "other")),
        tool("Portal export", "1.7") | {f"{P}scan.types": "sast"},
    ),
    Good(
        "good-checkmarx-name.sarif",
        j(_sarif("Export of Checkmarx", "XSS (SAST)")),
        tool("Export of Checkmarx", "1.7") | {f"{P}scan.types": "sast"},
    ),
    Good(
        "good-markdown.sarif",
        j(_ruled("scanner", {"id": "R1", "help": {"markdown": "**do**"}})),
        tool("scanner", "1.7"),
        noted="a text in markdown alone",
    ),
    Good("good-null-results.sarif", j(_null_results()), tool("scanner", "1.7"), noted="results is null"),
    Good(
        "good-from-zero.sarif",
        j(_found({"startLine": 0}, level="critical")),
        tool("scanner", "1.7"),
        noted="a level 'critical' it breaks SARIF 2.1.0: startLine 0",
    ),
    Bad("bad-no-runs.json", j({"version": "2.1.0"}), "it has no runs"),
    Bad("bad-region.json", j(_found({"startLine": "one"})), "startLine"),
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
    Good(
        "good-folder.zip",
        packing.zip_of(("zap_scan/report_json.json", j(_ZAP))),
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
        Bad("bad-object.json", b'{"alerts": 3}\n', "not a JSON list but an object"),
        Bad("bad-answer.json", b'{"message": "Not Found", "status": "404"}\n', "an API that failed: 'Not Found'"),
        Bad("bad-pages.json", good + good, "it holds several JSON documents"),
        *hostile_json(good),
    )


_CHECKMARX = {
    "scanID": "1",
    "results": [{"type": "sast", "data": {"queryId": 1}}, {"type": "kics", "data": {}}, {"type": "new", "data": {}}],
}
_UPPER: dict[str, Any] = {"scanID": "1", "results": [{"type": "SAST", "data": {}}]}
CHECKMARX = (
    Good(
        "good.json",
        j(_CHECKMARX),
        tool("checkmarx", listed=False) | {f"{P}scan.types": "iac,sast"},
        detected="ARTIFACT",
    ),
    Good("good-upper.json", j(_UPPER), tool("checkmarx", listed=False) | {f"{P}scan.types": "sast"}, "ARTIFACT"),
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
    Bad("bad-fingerprint.json", b'[{"RuleID": "aws", "Fingerprint": ""}]\n', "a leak without Fingerprint"),
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
    Good("good-pretty.json", j({"DetectorName": "AWS"}) * 2, tool("trufflehog", listed=False), "ARTIFACT"),
    Good(
        "good-one-line.json",
        b'{"DetectorName": "AWS"} {"DetectorName": "B"}',
        tool("trufflehog", listed=False),
        "ARTIFACT",
    ),
    Good(
        "good-mark-list.json", b'\xef\xbb\xbf[{"DetectorName": "AWS"}]\n', tool("trufflehog", listed=False), "ARTIFACT"
    ),
    Good("good-mark-clean.json", b"\xef\xbb\xbf\r\n", tool("trufflehog", listed=False), "ARTIFACT"),
    Bad("bad-finding.jsonl", b'{"DetectorName": "AWS"}\n{"Detector": "x"}\n', "in line 2 is without DetectorName"),
    Bad("bad-list.json", b'["AWS"]\n', "without DetectorName"),
    Bad("bad-text.txt", b"no secrets found\n", "not JSON"),
    Bad(
        "bad-log.jsonl",
        b'{\n"DetectorName": "AWS"}\n{"level": "info-0", "msg": "done"}\n',
        "line 3 is a line of its log",
    ),
    Bad("bad-log-text.jsonl", b'{"DetectorName": "AWS"}\nscan finished\n', "not JSON in UTF-8: line 2"),
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
        j({k: v for k, v in _SCORECARD.items() if k != "score"} | {"checks": []}),
        tool("scorecard", "v5.0.0", listed=False),
    ),
    Good(
        "good-digits.json",
        j(_SCORECARD | {"score": 7.1234567}),
        tool("scorecard", "v5.0.0", listed=False) | {f"{P}scorecard.score": "7.1234567"},
    ),
    Bad(
        "bad-no-score.json", j({k: v for k, v in _SCORECARD.items() if k != "score"}), '"score" is a required property'
    ),
    Bad("bad-no-version.json", j(_SCORECARD | {"scorecard": {}}), "scorecard.version is missing"),
    Bad("bad-score.json", j(_SCORECARD | {"score": "high"}), "score: "),
    Bad("bad-huge-score.json", j(_SCORECARD | {"score": 10**400}), "not between -1 and 10"),
    Bad("bad-infinite-score.json", j(_SCORECARD).replace(b"7.5", b"1e400"), 'not of type "number"'),
    Bad("bad-check.json", j(_SCORECARD | {"checks": [{"name": "CI"}]}), "checks/0"),
    *hostile_json(j(_SCORECARD)),
)
