"""Reports of about ten megabytes, shaped as their tools write them."""

import json


def cyclonedx() -> bytes:
    components = [
        {
            "type": "library",
            "bom-ref": f"pkg:npm/n{number}@1.0",
            "name": f"n{number}",
            "version": "1.0",
            "purl": f"pkg:npm/n{number}@1.0",
            "licenses": [{"license": {"id": "MIT"}}],
            "hashes": [{"alg": "SHA-256", "content": "a" * 64}],
        }
        for number in range(35_000)
    ]
    return json.dumps({"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1, "components": components}).encode()


def spdx() -> bytes:
    packages = [
        {
            "SPDXID": f"SPDXRef-{number}",
            "name": f"n{number}",
            "versionInfo": "1.0",
            "downloadLocation": "NOASSERTION",
            "licenseConcluded": "MIT",
            "checksums": [{"algorithm": "SHA256", "checksumValue": "a" * 64}],
        }
        for number in range(35_000)
    ]
    return json.dumps(
        {
            "SPDXID": "SPDXRef-DOCUMENT",
            "spdxVersion": "SPDX-2.3",
            "name": "n",
            "dataLicense": "CC0-1.0",
            "documentNamespace": "https://example.com/n",
            "creationInfo": {"created": "2026-01-01T00:00:00Z", "creators": ["Tool: syft-1.0"]},
            "packages": packages,
        }
    ).encode()


def sarif() -> bytes:
    location = {"physicalLocation": {"artifactLocation": {"uri": "src/a.py"}, "region": {"startLine": 3}}}
    results = [
        {"ruleId": f"B{number}", "level": "note", "message": {"text": "Use of assert"}, "locations": [location]}
        for number in range(50_000)
    ]
    runs = [{"tool": {"driver": {"name": "Bandit"}}, "results": results}]
    return json.dumps(
        {"$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0", "runs": runs}
    ).encode()


def junit() -> bytes:
    case = b'<testcase classname="tests.unit.test_a" name="test_%d" time="0.001"/>'
    return (
        b"<testsuites><testsuite>" + b"".join(case % number for number in range(140_000)) + b"</testsuite></testsuites>"
    )


def cobertura() -> bytes:
    line = b'<line number="%d" hits="1"/>'
    lines = b"".join(line % number for number in range(300_000))
    return b'<coverage line-rate="1"><packages><package><lines>' + lines + b"</lines></package></packages></coverage>"


def jacoco() -> bytes:
    counter = b'<counter type="%s" missed="3" covered="9"/>'
    counters = counter % b"INSTRUCTION" + counter % b"LINE"
    method = b'<method name="accept" desc="()V" line="3">' + counters + b"</method>"
    return b'<report name="shop"><class name="a">' + method * 70_000 + b"</class>" + counters + b"</report>"


def gitlab() -> bytes:
    scanner = {"id": "semgrep", "name": "Semgrep", "version": "1.0", "vendor": {"name": "Semgrep"}}
    found = [
        {
            "id": f"{number:064}",
            "name": "Use of assert",
            "severity": "Info",
            "location": {"file": "src/a.py", "start_line": 3},
            "identifiers": [{"type": "semgrep_id", "name": "B101", "value": "B101"}],
        }
        for number in range(38_000)
    ]
    scan = {"type": "sast", "status": "success", "scanner": scanner, "analyzer": scanner}
    return json.dumps({"version": "15.0.4", "scan": scan, "vulnerabilities": found}).encode()


def _leak(number: int) -> dict[str, object]:
    return {
        "RuleID": "private-key",
        "Description": "Identified a private key",
        "StartLine": number,
        "File": "keys/a.pem",
        "Secret": "REDACTED",
        "Tags": [],
        "Fingerprint": f"keys/a.pem:private-key:{number}",
    }


def gitleaks() -> bytes:
    return json.dumps([_leak(number) for number in range(48_000)]).encode()


def trufflehog() -> bytes:
    return b"".join(
        json.dumps({"DetectorName": "PrivateKey", "Verified": False, **_leak(number)}).encode() + b"\n"
        for number in range(40_000)
    )


def csaf() -> bytes:
    revision = {"date": "2026-01-01T00:00:00Z", "number": "1", "summary": "first"}
    tracking = {
        "id": "a-1",
        "status": "final",
        "version": "1",
        "initial_release_date": revision["date"],
        "current_release_date": revision["date"],
        "revision_history": [revision],
    }
    about = {
        "category": "csaf_vex",
        "csaf_version": "2.0",
        "title": "Shop",
        "publisher": {"category": "vendor", "name": "Shop", "namespace": "https://example.com"},
        "tracking": tracking,
    }
    names = [{"name": f"product {number}", "product_id": f"P{number}"} for number in range(60_000)]
    found = [
        {
            "cve": f"CVE-2026-{number:06}",
            "notes": [{"category": "description", "text": "slow"}],
            "product_status": {"known_not_affected": [f"P{number}"]},
        }
        for number in range(50_000)
    ]
    return json.dumps(
        {"document": about, "product_tree": {"full_product_names": names}, "vulnerabilities": found}
    ).encode()


def openapi() -> bytes:
    """Fewer: YAML is read a hundred times slower than JSON, by everybody."""
    path = "  /goods/%d:\n    get:\n      summary: one\n      responses:\n        '200': {description: ok}\n"
    paths = "".join(path % number for number in range(12_000))
    return f"openapi: 3.0.3\ninfo: {{title: Shop, version: '1'}}\npaths:\n{paths}".encode()
