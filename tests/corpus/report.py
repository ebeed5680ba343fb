"""What a line of the corpus says: the report, the tool that wrote it, the command, and what must be read out of it."""

import json
import lzma
from dataclasses import dataclass, field
from pathlib import Path

from tests.corpus import tools

FOLDER = Path(__file__).parent / "reports"
P = "chainloop.material."


@dataclass(frozen=True)
class Report:
    """One report.

    Attributes:
        file: its name below `reports`; large ones lie there with .xz behind it.
        type: what it is.
        tools: which of `tools.TOOLS` the command needs; the first wrote it. Others are this environment's own.
        command: run by bash in a copy of this repository; it writes $OUT.
        expected: what is read out of it.
        detected: what it is detected as, where that is not its type.
        refused: words of the refusal, where the tool writes what the format does not allow.
        binary: kept byte for byte.
    """

    file: str
    type: str
    tools: tuple[str, ...]
    command: str
    expected: dict[str, str] = field(default_factory=dict)
    detected: str = ""
    refused: str = ""
    binary: bool = False

    @property
    def version(self) -> str:
        """Of the tool that wrote it; "" for one of this environment's own."""
        return next((tool.version for tool in tools.TOOLS if tool.name == self.tools[0]), "")

    def content(self) -> bytes:
        """Its bytes, unpacked."""
        path = FOLDER / self.file
        return path.read_bytes() if path.exists() else lzma.decompress(path.with_name(f"{self.file}.xz").read_bytes())


def tool(name: str, version: str = "", *more: str) -> dict[str, str]:
    """What is recorded of the tools; `more` are the others, as name@version."""
    listed = [f"{name}@{version}" if version else name, *more]
    return {**alone(name, version), f"{P}tools": json.dumps(listed, separators=(",", ":"))}


def alone(name: str, version: str = "") -> dict[str, str]:
    """The same for formats that name one tool."""
    return {f"{P}tool.name": name} | ({f"{P}tool.version": version} if version else {})


def main(name: str, kind: str = "", version: str = "") -> dict[str, str]:
    """What is recorded of an SBOM's main component."""
    found = {"name": name, "type": kind, "version": version}
    return {f"{P}sbom.main_component.{key}": value for key, value in found.items() if value}


def api(spec: str, name: str, version: str, protocol: str = "") -> dict[str, str]:
    """What is recorded of an API."""
    found = {"spec_version": spec, "name": name, "version": version, "protocol": protocol}
    return {f"{P}api.{key}": value for key, value in found.items() if value}


# This repository has neither Java nor JavaScript: what the makers' own generators write is scanned instead.
JAVA = (
    'cd "$SCRATCH"; rm -rf app; mvn -q -B archetype:generate -DarchetypeGroupId=org.apache.maven.archetypes '
    "-DarchetypeArtifactId=maven-archetype-quickstart -DarchetypeVersion=1.5 -DgroupId=com.example -DartifactId=app "
    "-Dversion=1.0; cd app;"
)
NODE = (
    'cd "$SCRATCH"; rm -rf n; mkdir n; cd n; npm init -y >/dev/null; npm pkg set name=example >/dev/null; '
    "npm install --no-audit --no-fund --ignore-scripts is-odd@3.0.1 >/dev/null;"
)
