"""The pages' blocks: what a reader would paste, in order."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = (
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted(path for path in (ROOT / "docs").rglob("*.md") if "reference" not in path.parts),
    *sorted((ROOT / "tekton").glob("*.md")),
    *sorted((ROOT / "examples").rglob("*.md")),
)
_BLOCK = re.compile(r"^```(console|yaml)\n(.*?)^```$", re.M | re.S)
_HEADING = re.compile(r"^## (.*)$", re.M)


@dataclass(frozen=True)
class Block:
    """A fenced block: `console` holds commands, `yaml` objects to apply."""

    page: Path
    heading: str
    kind: str
    text: str

    def told(self) -> tuple[tuple[str, str], ...]:
        """Each command after a `$ `, with the lines that it prints."""
        parts = re.split(r"^\$ ", self.text, flags=re.M)
        return tuple((command, output) for command, _, output in (part.partition("\n") for part in parts[1:]))

    def commands(self) -> tuple[str, ...]:
        """The commands; where lines begin with `$ `, the others are what they print."""
        lines = [line for line in self.text.splitlines() if line.strip()]
        typed = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
        return tuple(line.split("  #")[0].split(" # ")[0].strip() for line in typed or lines)


def blocks(page: Path) -> Iterator[Block]:
    """Every block of a page, in order."""
    text = page.read_text(encoding="utf-8")
    for found in _BLOCK.finditer(text):
        heading = [h.group(1) for h in _HEADING.finditer(text, 0, found.start())]
        yield Block(page, heading[-1] if heading else "", found.group(1), found.group(2))
