"""Reading and checking the big formats against the bare parser of the standard library, side by side in one process.

Each is about 10 MB, as tools write it. The bare side is `json.loads`, or an expat parser without handlers.
"""

import functools
import json
import time
from collections.abc import Callable
from xml.parsers import expat

from avouch.contract import documents
from bench import measure


def _cyclonedx() -> bytes:
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


def _spdx() -> bytes:
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


def _sarif() -> bytes:
    location = {"physicalLocation": {"artifactLocation": {"uri": "src/a.py"}, "region": {"startLine": 3}}}
    results = [
        {"ruleId": f"B{number}", "level": "note", "message": {"text": "Use of assert"}, "locations": [location]}
        for number in range(50_000)
    ]
    runs = [{"tool": {"driver": {"name": "Bandit"}}, "results": results}]
    return json.dumps(
        {"$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0", "runs": runs}
    ).encode()


def _junit() -> bytes:
    case = b'<testcase classname="tests.unit.test_a" name="test_%d" time="0.001"/>'
    return (
        b"<testsuites><testsuite>" + b"".join(case % number for number in range(140_000)) + b"</testsuite></testsuites>"
    )


def _cobertura() -> bytes:
    line = b'<line number="%d" hits="1"/>'
    lines = b"".join(line % number for number in range(300_000))
    return b'<coverage line-rate="1"><packages><package><lines>' + lines + b"</lines></package></packages></coverage>"


def _bare_xml(content: bytes) -> None:
    expat.ParserCreate().Parse(content, True)


def _side(name: str, read: Callable[[bytes], object], content: bytes) -> measure.Side:
    def once() -> float:
        start = time.perf_counter()
        read(content)
        return time.perf_counter() - start

    return measure.Side(name, once)


def main() -> None:
    """Print a table."""
    rounds = measure.arguments(__doc__, rounds=7).parse_args().rounds
    print(measure.machine())
    rows = []
    for name, content, bare in (
        ("SBOM_CYCLONEDX_JSON", _cyclonedx(), json.loads),
        ("SBOM_SPDX_JSON", _spdx(), json.loads),
        ("SARIF", _sarif(), json.loads),
        ("JUNIT_XML", _junit(), _bare_xml),
        ("COBERTURA_XML", _cobertura(), _bare_xml),
    ):
        ours = functools.partial(documents.read, name)
        assert not ours(content).flaws  # compiles the schema, too
        found = measure.take_turns((_side("bare", bare, content), _side("ours", ours, content)), rounds)
        ratio = measure.spread(measure.ratios(found, "ours", "bare"))
        rows.append((name, f"{len(content) / 1e6:.1f}", *(measure.spread(found[side]) for side in found), ratio))
    measure.table(("format", "MB", "bare parser, s", "ours, s", "ours / bare"), rows)


if __name__ == "__main__":
    main()
