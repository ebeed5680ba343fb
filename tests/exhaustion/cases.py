"""Content made to exhaust whoever reads it, at the size of its type's limit, read in a process of its own.

`python -m tests.exhaustion.cases CASE` reads one case within the limits of memory and prints what came of it.
"""

import io
import json
import resource
import sys
import tarfile
import time
import zipfile
import zlib
from collections.abc import Callable

from avouch import errors
from avouch.materials import detection, unpacking, validation
from avouch.materials import types as material_types
from avouch.reading import wire
from tests.materials import packing

MIB = 1024 * 1024
MEMORY = wire.Limits().memory  # of address space: the content, 64 MiB of it at most, included
SECONDS = 40.0  # of CPU; other processes' use of the caches counts, so ten times what an idle machine needs
BIG = 64 * MIB
_CYCLONEDX = b'{"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1, "components": [%s]}'
_SPDX = (
    b'{"SPDXID": "SPDXRef-DOCUMENT", "spdxVersion": "SPDX-2.3", "name": "n", "dataLicense": "CC0-1.0", '
    b'"documentNamespace": "https://example.com/n", "creationInfo": {"created": "2026-01-01T00:00:00Z", '
    b'"creators": ["Tool: t-1"]}, "packages": [%s]}'
)
_SARIF = (
    b'{"$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0", '
    b'"runs": [{"tool": {"driver": {"name": "t"}}, "results": [%s]}]}'
)
_COMPONENT = b'{"type": "library", "name": "a name of about as many characters as usual", "version": "1.2.3"}'
_PACKAGE = (
    b'{"SPDXID": "SPDXRef-%07d", "name": "a package of that name", "downloadLocation": "NOASSERTION", '
    b'"versionInfo": "1.25.3"}'
)
_RESULT = (
    b'{"ruleId": "B101", "level": "note", '
    b'"message": {"text": "Use of assert detected. It is taken out where byte code is optimised."}}'
)
_WRONG = b'{"level": 1, "ruleId": "a name that is about as long as the whole of other results would be"}'


def _filled(shape: bytes, part: bytes, last: bytes = b"", size: int = BIG) -> bytes:
    count = (size - len(shape) - len(last)) // (len(part) + 1) - 1
    return shape % ((part + b",") * count + (last or part))


def _numbered(shape: bytes, part: bytes) -> bytes:
    count = (BIG - len(shape)) // (len(part % 0) + 1)
    return shape % b",".join(part % number for number in range(count))


def _names() -> bytes:
    return b'{"bomFormat": "CycloneDX", ' + b",".join(b'"%07x":0' % number for number in range(2_900_000)) + b"}"


def _tar(count: int) -> bytes:
    """Empty files, all of one name."""
    return packing.tar_of(("a.xml", b""))[: tarfile.BLOCKSIZE] * count + bytes(tarfile.RECORDSIZE)


def _folders(count: int) -> bytes:
    """Nothing but folders, all of one name."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        member = tarfile.TarInfo("a")
        member.type = tarfile.DIRTYPE
        archive.addfile(member)
    return made.getvalue()[: tarfile.BLOCKSIZE] * count + bytes(tarfile.RECORDSIZE)


def _gzip_of_zeros(unpacked: int) -> bytes:
    packer = zlib.compressobj(9, wbits=31)
    zeros = bytes(MIB)
    return b"".join(packer.compress(zeros) for _ in range(unpacked // MIB)) + packer.flush()


def _overlapping_zip() -> bytes:
    """One deflated report that a thousand entries of the directory name: few bytes, much work."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        report = b"<testsuite>" + b" " * (8 * MIB) + b"</testsuite>"
        archive.writestr(zipfile.ZipInfo("a.xml", packing.DATE), report, zipfile.ZIP_DEFLATED)
        archive.filelist *= 1000
    return made.getvalue()


def _yaml_bomb() -> bytes:
    lines = ["openapi: 3.0.3", "a: &a [x, x, x, x, x, x, x, x, x]"]
    lines += [
        f"{one}: &{one} [{', '.join([f'*{other}'] * 9)}]" for other, one in zip("abcdefgh", "bcdefghi", strict=True)
    ]
    return "\n".join(lines).encode()


def _yaml_merges() -> bytes:
    lines = ["openapi: 3.0.3", "a: &a {x: 1, y: 2}"]
    lines += [f"m{n}: &m{n} {{<<: [{', '.join(['*a' if not n else f'*m{n - 1}'] * 5)}]}}" for n in range(12)]
    return "\n".join(lines).encode()


CASES: dict[str, tuple[str, Callable[[], bytes]]] = {
    "an SBOM of 250 MB": ("SBOM_CYCLONEDX_JSON", lambda: _filled(_CYCLONEDX, _COMPONENT, size=250 * MIB)),
    "an SPDX SBOM of 250 MB": ("SBOM_SPDX_JSON", lambda: _filled(_SPDX, b'{"a": 1}', size=250 * MIB)),
    "a JUnit report of 250 MB": ("JUNIT_XML", lambda: b"<testsuites>" + b"<testsuite/>" * (250 * MIB // 12)),
    "an SBOM at the limit": ("SBOM_CYCLONEDX_JSON", lambda: _filled(_CYCLONEDX, _COMPONENT)),
    "an SBOM whose last component is wrong": (
        "SBOM_CYCLONEDX_JSON", lambda: _filled(_CYCLONEDX, _COMPONENT, b'{"type": "lib"}')),
    "an SPDX SBOM at the limit": ("SBOM_SPDX_JSON", lambda: _numbered(_SPDX, _PACKAGE)),
    "a SARIF log at the limit": ("SARIF", lambda: _filled(_SARIF, _RESULT)),
    "a SARIF log whose results are all wrong": ("SARIF", lambda: _filled(_SARIF, _WRONG)),
    "a SARIF log of texts in markdown": (
        "SARIF", lambda: _filled(_SARIF, b'{"message": {"markdown": "a text of some length"}}', size=40 * MIB)),
    "three million names": ("SBOM_CYCLONEDX_JSON", _names),
    "a million objects": ("GITLEAKS_JSON", lambda: b"[" + b"{}," * 1_400_000 + b"{}]"),
    "three million numbers": ("GHAS_CODE_SCAN", lambda: b"[" + b"1.5e300," * 2_900_000 + b"1]"),
    "lists as deep as they are long": ("GITLEAKS_JSON", lambda: b"[" * BIG),
    "one long text": ("GITLEAKS_JSON", lambda: b'["' + b"x" * (BIG - 4) + b'"]'),
    "one long text of wide characters": (
        "GITLEAKS_JSON", lambda: '["\U0001f600'.encode() + b"x" * (BIG - 16) + b'"]'),
    "one long text of escapes": ("GITLEAKS_JSON", lambda: b'["' + b"\\u20ac" * (BIG // 6 - 2) + b'"]'),
    "one long number": ("GITLEAKS_JSON", lambda: b"[" + b"9" * (BIG - 2) + b"]"),
    "lines of findings": ("TRUFFLEHOG_JSON", lambda: b'{"DetectorName": "x"}\n' * (BIG // 22)),
    "elements without end": ("COBERTURA_XML", lambda: b"<coverage>" + b"<a/>" * (BIG // 4 - 8) + b"</coverage>"),
    "suites without end": ("JUNIT_XML", lambda: b"<testsuites>" + b"<testsuite/>" * (BIG // 12 - 2)),
    "elements in elements": ("JUNIT_XML", lambda: b"<testsuite>" * (BIG // 11)),
    "one long comment": ("JACOCO_XML", lambda: b"<report><!--" + b"x" * (BIG - 12)),
    "one long text in XML": ("JUNIT_XML", lambda: b"<testsuite>" + b"&#65;" * (BIG // 5 - 8) + b"</testsuite>"),
    "names of attributes without end": (
        "JUNIT_XML", lambda: b"<testsuite " + b" ".join(b'a%d=""' % number for number in range(5_000_000)) + b"/>"),
    "entities in entities": ("JUNIT_XML", lambda: b'<!DOCTYPE a [<!ENTITY a "' + b"&b;" * (BIG // 3 - 20)),
    "a gzip of 40 GB": ("JUNIT_XML", lambda: _gzip_of_zeros(MIB) * 40_000),
    "a gzip of three million empty files": ("JUNIT_XML", lambda: packing.gzip.compress(b"", mtime=0) * (BIG // 20)),
    "a gzip of one large file": ("RADAMSA_REPORT", lambda: _gzip_of_zeros(512 * MIB)),
    "folders of a campaign": (
        "RADAMSA_REPORT", lambda: packing.gzip.compress(_folders(79_000), 1, mtime=0)),
    "one file in a thousand entries": ("JUNIT_XML", _overlapping_zip),
    "a tar of a hundred thousand files": ("JUNIT_XML", lambda: packing.gzip.compress(_tar(100_000), 1, mtime=0)),
    "YAML that unfolds": ("OPENAPI_SPEC", _yaml_bomb),
    "YAML that merges": ("OPENAPI_SPEC", _yaml_merges),
    "YAML of sixteen megabytes": ("OPENAPI_SPEC", lambda: b"openapi: 3.0.3\nx: [" + b"a," * (8 * MIB - 20) + b"a]"),
    "YAML in YAML": ("ASYNCAPI_SPEC", lambda: b"asyncapi: 3.0.0\nx: " + b"[" * (16 * MIB - 30)),
    "YAML of one long text": ("OPENAPI_SPEC", lambda: b"openapi: 3.0.3\nx: '" + b"y" * (16 * MIB - 30) + b"'"),
    "a schema of sixteen megabytes": ("GRAPHQL_SPEC", lambda: b"type A {" + b"a:B " * (4 * MIB - 10) + b"}"),
    "rows without end": ("SYSINTERNALS_SIGCHECK", lambda: b"Path,Verified\n" + b"a,b\n" * (4 * MIB - 10)),
    "one field without end": ("SYSINTERNALS_SIGCHECK", lambda: b'Path,Verified\n"' + b"a" * (16 * MIB - 40)),
    "lines of access": ("SYSINTERNALS_ACCESSCHK", lambda: b"  R x\n" * (16 * MIB // 6 - 1)),
    "a payload of sixteen megabytes": (
        "ATTESTATION", lambda: json.dumps({
            "payloadType": "application/vnd.in-toto+json", "payload": "W1tb" * (4 * MIB - 100),
            "signatures": [{"sig": "x"}],
        }).encode()),
}  # fmt: skip


def main() -> None:
    """Read one case, as its type and as what it is detected as, and as an archive where it could be one."""
    name, make = CASES[sys.argv[1]]
    content = make()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    start = time.process_time()
    read = validation.read(name, content)
    said = read.flaws[0].message if read.flaws else "read"
    took = time.process_time() - start
    if len(content) <= material_types.of(name).limit:
        detection.file(content)
    if unpacking.is_archive("SARIF", content):
        try:
            unpacking.exploded("scan", "SARIF", content)
        except errors.Invalid as exc:
            print(f"as an archive: {exc}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"said": said[:90], "read": took, "all": time.process_time() - start, "peak": peak}))


if __name__ == "__main__":
    main()
