"""What is changed, and which tests are asked whether they notice."""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "operator" / "avouch"

# Where a wrong yes would hurt: name of the room, and its modules below operator/avouch.
ROOMS: dict[str, str] = {
    "intake": "controlplane/intake/*.py",
    "judging": "controlplane/judging/*.py",
    "artifacts": "controlplane/artifacts/*.py",
    "deliveries": "controlplane/deliveries/*.py",
    "attestation": "attestation/*.py",
    "oidc": "oidc/*.py",
    "completeness": "contract/completeness.py",
    "planning": "contract/planning.py",
    "materials": "materials/*.py",
    "references": "image_references.py",
    "digests": "digests.py",
    "storable": "storable.py",
    "tekton": "tekton/*.py",
    "sidecar": "sidecar/*.py",
    "integrations": "integrations/*.py",
    "store": "store/*.py",
}


@dataclass(frozen=True)
class Module:
    """One file of a room. `name` is what `import` says."""

    room: str
    path: Path

    @property
    def inside(self) -> str:
        """Its path below the package."""
        return self.path.relative_to(PACKAGE).as_posix()

    @property
    def name(self) -> str:
        return ".".join(("avouch", *Path(self.inside).with_suffix("").parts))

    def files(self) -> tuple[str, ...]:
        """Files of tests that may notice a fault: those that import it or have its name, and all of its level."""
        folder = f"tests/unit/{Path(self.inside).parts[0]}"
        everywhere = _tests("tests/unit") + _tests("tests/property")
        if self.room == "store":
            everywhere += _tests("tests/store")
        near = [file for file in everywhere if self.is_named_by(file) or self.name in _imported(file)]
        level = _tests(folder) if self.room != "store" else []  # all of tests/store takes minutes
        return tuple(dict.fromkeys(map(str, (*near, *level))))

    def is_named_by(self, file: Path) -> bool:
        """Whether it is the file of tests that mirrors this module."""
        return file.name == f"test_{self.path.stem.strip('_')}.py"


def modules(rooms: list[str]) -> list[Module]:
    """All that hold more than a docstring."""
    return [
        Module(room, path) for room in rooms for path in sorted(PACKAGE.glob(ROOMS[room])) if path.name != "__init__.py"
    ]


@cache
def _tests(folder: str) -> list[Path]:
    return [path.relative_to(ROOT) for path in sorted((ROOT / folder).rglob("test_*.py"))]


_FROM = re.compile(r"^from (avouch[\w.]*) import (\([^)]*\)|[^\n]*)", re.MULTILINE)
_IMPORT = re.compile(r"^import (avouch[\w.]*)", re.MULTILINE)


@cache
def _imported(file: Path) -> frozenset[str]:
    text = (ROOT / file).read_text(encoding="utf-8")
    found = set(_IMPORT.findall(text))
    for package, names in _FROM.findall(text):
        found.add(package)
        found.update(f"{package}.{name.split(' as ')[0].strip()}" for name in names.strip("()").split(","))
    return frozenset(found)
