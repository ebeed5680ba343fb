"""JUnit reports: one XML file, or an archive of them."""

from avouch import errors
from avouch.materials.readers import archives, document, xmls

ROOTS = ("testsuites", "testsuite")
_NOTES = 5
FIX = "deliver XML whose root is testsuites or testsuite, or a zip, tar or tar.gz of such files"


def read(content: bytes) -> document.Document:
    """At least one test suite, in the file or in an archive's .xml files; Node writes cases without one.

    Other XML of an archive is passed over with a note: Maven puts failsafe-summary.xml beside its reports. What is no
    XML, such as a report that was cut off, refuses the archive.
    """
    if not archives.is_packed(content):
        reason = _reason(archives.Entry("", content))
        if reason:
            raise errors.Invalid(f"invalid JUnit XML file: {reason}", fix=FIX)
        return document.understood()
    reports = (entry for entry in archives.files(content) if entry.name.lower().endswith(".xml"))
    reasons = [(entry.name, _reason(entry)) for entry in reports]
    others = [f"{document.shown(name)} is passed over: {reason}" for name, reason in reasons if reason]
    if len(others) == len(reasons):
        said = others[0] if others else "the archive holds no .xml file"
        raise errors.Invalid(f"invalid JUnit XML file: {said}", fix=FIX)
    return document.understood(notes=others[:_NOTES])


def _reason(report: archives.Entry) -> str:
    """Why XML is no report; empty if it is one."""
    where = f" {document.shown(report.name)}" if report.name else ""
    try:
        root, count = _counted(report.content, "testsuite")
        if root in ROOTS and not count:
            # Cases without a suite are read only if there is no suite: each costs a call.
            _, count = _counted(report.content, "testcase")
    except errors.Invalid as exc:
        raise errors.Invalid(f"invalid JUnit XML file{where}: {exc.args[0]}", fix=FIX) from exc
    if root not in ROOTS:
        return f"its root is <{root[:64]}>"
    return "" if count else "it holds no testsuite"


def _counted(content: bytes, wanted: str) -> tuple[str, int]:
    """The root's name, and how many such elements there are."""
    root, count = "", 0

    def see(element: xmls.Element) -> None:
        nonlocal root, count
        root = element.name if element.depth == 1 else root
        count += element.name == wanted

    xmls.walk(content, (wanted,), see)
    return root, count
