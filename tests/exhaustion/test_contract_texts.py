"""Contract files made to exhaust whoever reads them are flaws, and soon."""

import time

import pytest

from avouch.contract.text import files

SECONDS = 30  # of CPU; ten times what an idle machine needs


def bomb() -> bytes:
    lines = [b"a: &a [x,x,x,x,x,x,x,x,x]"]
    lines += [b"%c: &%c [%s]" % (98 + i, 98 + i, b",".join([b"*%c" % (97 + i)] * 9)) for i in range(8)]
    return b"\n".join(lines)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (bomb(), "more than 100000 values"),
        (b"- a\n" * 110_000, "more than 100000 values"),
        (
            b"\n---\n".join([b"a: &a [" + b"x," * 300 + b"]\nb: [" + b"*a," * 100 + b"]"] * 90),
            "more than 100000 values",
        ),
        (b"[" * 500_000, "nested deeper"),
    ],
    ids=["references", "list", "references in many documents", "brackets"],
)
def test_a_text_made_to_exhaust_is_a_flaw_and_soon(content, message):
    start = time.process_time()
    assert any(message in flaw.message for flaw in files.read(content).flaws)
    assert time.process_time() - start < SECONDS
