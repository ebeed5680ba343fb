"""What is large, deep or slow is refused early; what is merely long is read."""

import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest

from avouch import errors
from avouch.materials import validation
from avouch.materials.readers import yamls
from tests.exhaustion import growing

MIB = 1024 * 1024
LONG = b"x" * (3 * MIB)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("JUNIT_XML", b'<testsuites a="' + LONG, "a tag of more than"),
        (
            "JUNIT_XML",
            b"<testsuites " + b" ".join(b'a%d=""' % number for number in range(400_000)),
            "a tag of more than",
        ),
        ("JUNIT_XML", b"<testsuites><!--" + LONG, "a tag of more than"),
        ("GITLEAKS_JSON", b"[" + b"{}," * 4_000_000 + b"{}]", "JSON values, more than"),
        ("GITLEAKS_JSON", b"[" * 201 + b"]" * 201, "nested too deeply"),
        ("SBOM_CYCLONEDX_JSON", b"{" + b" " * (250 * MIB), "larger than 67108864 bytes"),
        ("GITLEAKS_JSON", b"[" + b"9" * 5000 + b"]", "not JSON"),
        ("GITLEAKS_JSON", b"[NaN]", "NaN is not a JSON number"),
        ("CERTCC_DRANZER", b" \n" * (8 * MIB - 1), "not a dranzer report"),
        ("CERTCC_DRANZER", b"ERROR - " + b"(0x1" * (3 * MIB), "not a dranzer report"),
        ("RADAMSA_REPORT", b'a: "' + b"\\\\" * MIB, "invalid radamsa -M pair"),
    ],
    ids=lambda value: value if isinstance(value, str) else "content",
)
def test_what_is_too_much_is_a_flaw(name, content, said):
    (flaw,) = validation.read(name, content).flaws
    assert said in flaw.message


def test_a_depth_of_two_hundred_is_read():
    (flaw,) = validation.read("GITLEAKS_JSON", b"[" * 200 + b"]" * 200).flaws
    assert "Fingerprint" in flaw.message


@pytest.mark.parametrize("text", [LONG, b"<![CDATA[" + LONG + b"]]>"], ids=["text", "cdata"])
def test_a_long_text_in_a_report_is_read(text):
    report = b"<testsuite><testcase><system-out>" + text + b"</system-out></testcase></testsuite>"
    assert validation.read("JUNIT_XML", report).parsed


def test_a_large_report_is_read_as_a_stream():
    content = b"<testsuites>" + b"<testsuite><testcase/></testsuite>" * 20_000 + b"</testsuites>"  # 4 MiB as elements
    tracemalloc.start()
    assert validation.read("JUNIT_XML", content).parsed
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2 * MIB


def test_no_parser_is_loaded_before_its_first_document():
    code = (
        "import sys; from avouch.materials import detection, validation; "
        "sys.exit(str({'jsonschema_rs', 'graphql', 'yaml', 'zipfile', 'xml'} & set(sys.modules)).replace('set()', ''))"
    )
    env = {"PYTHONPATH": str(Path(validation.__file__).parents[2])}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)
    assert done.stderr.strip() == ""


def test_a_number_of_base_60_is_a_text_in_yaml():
    assert yamls.load(b"a: 12:30:45\nb: 1:30.5\nc: 42\nd: -1.5e+3\ne: 0x1F\nf: .inf\ng: 0b11\nh: 017\n") == {
        "a": "12:30:45", "b": "1:30.5", "c": 42, "d": -1500.0, "e": 31, "f": float("inf"), "g": 3, "h": 15,
    }  # fmt: skip


@pytest.mark.parametrize("number", [b"!!int 1:30", b"!!float 1:30.5", b"!!int '1:30'"])
def test_a_number_that_a_tag_makes_one_of_base_60_is_a_flaw(number):
    with pytest.raises(errors.Invalid, match="no number of base 10"):
        yamls.load(b"a: " + number)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("a tar with a header of digits", "a number of too many digits"),
        ("a tar with a header for all", "a number of too many digits"),
        ("a tar that leads back", "a size below zero"),
    ],
)
def test_a_tar_that_holds_up_who_reads_it_is_a_flaw(name, said):
    (flaw,) = validation.read("JUNIT_XML", growing.BY_HAND["JUNIT_XML"][name](10_000)).flaws
    assert said in flaw.message
