"""Reading and checking the big formats against the bare parser, side by side in one process.

Each is about 10 MB, as tools write it. The bare side is `json.loads`, line by line where a report is lines; an expat
parser without handlers; PyYAML's own safe loader in C.
"""

import functools
import io
import json
import time
from collections.abc import Callable
from xml.parsers import expat

import yaml

from avouch.materials import validation
from bench import measure, reports


def _bare_xml(content: bytes) -> None:
    expat.ParserCreate().Parse(content, True)


def _bare_lines(content: bytes) -> None:
    for line in io.BytesIO(content):
        json.loads(line)


def _bare_yaml(content: bytes) -> None:
    yaml.load(content, Loader=yaml.CSafeLoader)


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
        ("SBOM_CYCLONEDX_JSON", reports.cyclonedx(), json.loads),
        ("SBOM_SPDX_JSON", reports.spdx(), json.loads),
        ("SARIF", reports.sarif(), json.loads),
        ("JUNIT_XML", reports.junit(), _bare_xml),
        ("COBERTURA_XML", reports.cobertura(), _bare_xml),
        ("JACOCO_XML", reports.jacoco(), _bare_xml),
        ("GITLAB_SECURITY_REPORT", reports.gitlab(), json.loads),
        ("GITLEAKS_JSON", reports.gitleaks(), json.loads),
        ("TRUFFLEHOG_JSON", reports.trufflehog(), _bare_lines),
        ("CSAF_VEX", reports.csaf(), json.loads),
        ("OPENAPI_SPEC", reports.openapi(), _bare_yaml),
    ):
        ours = functools.partial(validation.read, name)
        assert not ours(content).flaws  # compiles the schema, too
        found = measure.take_turns((_side("bare", bare, content), _side("ours", ours, content)), rounds)
        ratio = measure.spread(measure.ratios(found, "ours", "bare"))
        rows.append((name, f"{len(content) / 1e6:.1f}", *(measure.spread(found[side]) for side in found), ratio))
    measure.table(("format", "MB", "bare parser, s", "ours, s", "ours / bare"), rows)


if __name__ == "__main__":
    main()
