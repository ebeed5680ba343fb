"""What is made to exhaust a reader is read or refused, soon and in bounded memory: `make exhaust`."""

import json
import subprocess
import sys

import pytest

from tests.exhaustion import cases


@pytest.mark.parametrize("name", cases.CASES)
def test_a_reader_stays_within_its_bounds(name):
    command = [sys.executable, "-m", "tests.exhaustion.cases", name]
    done = subprocess.run(command, capture_output=True, text=True, timeout=15 * cases.SECONDS, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["read"] < cases.SECONDS
    assert "needs more memory" not in told["said"]
    assert told["peak"] < cases.MEMORY / cases.MIB or "larger than" in told["said"]  # those were never read


def test_what_is_over_the_limit_is_refused_by_its_size():
    over = [name for name in cases.CASES if "250 MB" in name]
    assert len(over) >= 3
    for name in over:
        kind, make = cases.CASES[name]
        assert "larger than 67108864 bytes" in cases.validation.read(kind, make()).flaws[0].message
