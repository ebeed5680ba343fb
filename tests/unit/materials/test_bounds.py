"""What is large, deep or slow is refused early; what is merely long is read."""

import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest

from avouch.materials import validation

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
