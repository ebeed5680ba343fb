"""The steps that `verify` prints are those of the algorithm, in its order."""

import re
from pathlib import Path

from avouch.attestation import verification
from avouch.cli.attestation import verify


def test_the_printed_steps_are_those_that_can_fail():
    source = Path(verification.__file__).read_text()
    raised = dict.fromkeys(re.findall(r'"(\d+ [a-z ]+)"', source))
    assert sorted(raised, key=lambda step: int(step.split()[0])) == [step for step, _ in verify.STEPS]


def test_the_numbers_are_those_of_the_specification():
    specified = re.findall(r"^(\d+)\. ", verification.__doc__ or "", re.M)
    assert [step.split()[0] for step, _ in verify.STEPS] == specified
