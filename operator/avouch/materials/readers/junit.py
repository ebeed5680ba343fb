"""JUnit reports: one XML file, or an archive of them."""

from collections.abc import Iterator

from avouch import errors
from avouch.materials.readers import archives, document, xmls

_ROOTS = ("testsuites", "testsuite")
FIX = "deliver XML whose root is testsuites or testsuite, or a zip or tar.gz of such files"


def read(content: bytes) -> document.Document:
    """At least one test suite, in the file or in each of an archive's .xml files; Node writes cases without one."""
    count = 0
    for report in _reports(content):
        _check(report)
        count += 1
    if not count:
        raise errors.Invalid("invalid JUnit XML file: the archive holds no .xml file", fix=FIX)
    return document.understood()


def _reports(content: bytes) -> Iterator[archives.Entry]:
    if not (archives.is_zip(content) or archives.is_gzip(content)):
        yield archives.Entry("", content)
        return
    for entry in archives.files(content):
        if entry.name.lower().endswith(".xml"):
            yield entry


def _check(report: archives.Entry) -> None:
    where = f" {report.name[:64]!r}" if report.name else ""
    try:
        found = _holds(report.content, "testsuite") or _holds(report.content, "testcase")
    except errors.Invalid as exc:
        raise errors.Invalid(f"invalid JUnit XML file{where}: {exc.args[0]}", fix=FIX) from exc
    if not found:
        raise errors.Invalid(f"invalid JUnit XML file{where}: it holds no testsuite", fix=FIX)


def _holds(content: bytes, wanted: str) -> bool:
    """Whether there is such an element. Cases without a suite are read only if there is no suite: each costs a call."""
    count = 0

    def see(element: xmls.Element) -> None:
        nonlocal count
        if element.depth == 1 and element.name not in _ROOTS:
            raise errors.Invalid(f"its root is <{element.name[:64]}>")
        count += element.name == wanted

    xmls.walk(content, (wanted,), see)
    return bool(count)
