"""Damage good and bad files for a while and show them to the readers: `make fuzz FUZZ_SECONDS=600`.

Whatever is raised is printed and its input kept below build/fuzz; a finding becomes a case of the table. Mutations are
blind: nothing measures which code they reach.
"""

import argparse
import random
import re
import time
from collections import Counter
from pathlib import Path

from avouch.contract import detection, documents, materials
from tests.materials import table

KEPT = Path("build") / "fuzz"
SLOW = 2.0  # seconds for a small input
VALUES = (b"null", b"[]", b"{}", b"1e400", b"-1", b'""', b'"\\ud800"', b'"\\u0000"', b"true", b"9" * 50, b"0.1", b"NaN")
_VALUE = re.compile(rb'"[^"]*"(?!\s*:)|\d+|null|\[\]|\{\}')
_NAME = re.compile(rb'"[^"]*"\s*:')
FILES = [(name, case.content) for name, case in (*table.good(), *table.bad()) if 0 < len(case.content) < 20_000]


def damaged(content: bytes, chance: random.Random) -> bytes:
    """The content with one to five changes."""
    for _ in range(chance.randint(1, 5)):
        content = chance.choice((_overwritten, _cut, _doubled, _revalued, _renamed, _spliced))(content, chance)
    return content


def _overwritten(content: bytes, chance: random.Random) -> bytes:
    place, length = chance.randrange(len(content) + 1), chance.randint(0, 16)
    return content[:place] + chance.randbytes(length) + content[place + length :]


def _cut(content: bytes, chance: random.Random) -> bytes:
    place = chance.randrange(len(content) + 1)
    return content[:place] + content[place + chance.randint(0, 16) :]


def _doubled(content: bytes, chance: random.Random) -> bytes:
    place = chance.randrange(len(content) + 1)
    return content[:place] + content[place : place + chance.randint(1, 200)] + content[place:]


def _revalued(content: bytes, chance: random.Random) -> bytes:
    return _replaced(content, _VALUE, chance.choice(VALUES), chance)


def _renamed(content: bytes, chance: random.Random) -> bytes:
    return _replaced(content, _NAME, b'"x":', chance)


def _spliced(content: bytes, chance: random.Random) -> bytes:
    other = chance.choice(FILES)[1]
    place, start = chance.randrange(len(content) + 1), chance.randrange(len(other) + 1)
    return content[:place] + other[start : start + 100] + content[place:]


def _replaced(content: bytes, pattern: re.Pattern[bytes], new: bytes, chance: random.Random) -> bytes:
    found = list(pattern.finditer(content))
    if not found:
        return content
    match = chance.choice(found)
    return content[: match.start()] + new + content[match.end() :]


def main() -> int:
    """Run until the time is over. Returns the number of findings."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=time.time_ns())
    asked = parser.parse_args()
    chance, end = random.Random(asked.seed), time.monotonic() + asked.seconds  # noqa: S311  # where is no secret
    seen: Counter[str] = Counter()
    while time.monotonic() < end:
        name, content = chance.choice(FILES)
        content = damaged(content, chance)
        name = name if chance.random() < 0.8 else chance.choice(materials.MATERIALS).name
        start = time.monotonic()
        try:
            documents.read(name, content)
            if content and chance.random() < 0.05:
                detection.file(content)
        except Exception as exc:  # whatever it is, it is the finding
            seen[f"{name}: {type(exc).__name__}"] += 1
            _keep(name, content, f"raised {exc!r}")
        if time.monotonic() - start > SLOW:
            _keep(name, content, f"took {time.monotonic() - start:.1f} s")
        seen["inputs"] += 1
    print(f"seed {asked.seed}: {dict(seen)}")
    return len(seen) - 1


def _keep(name: str, content: bytes, why: str) -> None:
    KEPT.mkdir(parents=True, exist_ok=True)
    path = KEPT / f"{name}-{time.time_ns()}"
    path.write_bytes(content)
    print(f"{name} {why}: {path}")


if __name__ == "__main__":
    raise SystemExit(1 if main() else 0)
