"""Reports of fuzzers: CERT/CC's dranzer, radamsa's metadata, and the inputs radamsa crashed something with."""

import re
from collections.abc import Iterator

from avouch import errors
from avouch.materials.readers import archives, document, texts, tools

_BUNDLE = archives.Bounds(256, 16 * archives.MIB)
_CAMPAIGN = archives.Bounds(entries=20_000)  # a campaign of radamsa has a log, or an input, for each of its runs
_DRANZER = "deliver dranzer's text report, or a zip, tar or tar.gz of such reports"
_TELLING = re.compile(
    rb"^[ \t]*(?:Testing COM Object - |Number of COM Objects|Test Engine Version:|ERROR - .*\(0x[0-9A-Fa-f]+\))",
    re.MULTILINE,
)
_REVISION = re.compile(rb"Test Engine Version:\s*\$Rev:\s*(\d+)", re.IGNORECASE)
_RADAMSA = "deliver the log of radamsa -M, or a zip, tar, tar.gz or gzip of such logs"
_SEED = re.compile(r"seed: \d+", re.ASCII)  # begins each run's log, and is no record
_PAIR = re.compile(r'([^\s:",]+):(?: ("(?:[^"\\]|\\.)*"|[^",]*))?(?:, |$)')
_CRASHES = f"{document.PREFIX}radamsa.crashes.count"
_RECORDS = f"{document.PREFIX}radamsa.report.records.count"
_COUNT = f"{document.PREFIX}dranzer.reports.count"


def dranzer(content: bytes) -> document.Document:
    """A report, or an archive of reports in which each text must be one; its table (.csv) does not count.

    Reports are in the code page of the machine, so the reader compares bytes, not characters.
    """
    count, revision = 0, b""
    for entry in reports(content):
        if not _TELLING.search(entry.content):
            raise errors.Invalid(f"{document.shown(entry.name or 'report')} is not a dranzer report", fix=_DRANZER)
        revision = revision or revision_of(entry.content)
        count += 1
    if not count:
        raise errors.Invalid("the archive holds no dranzer report", fix=_DRANZER)
    return document.understood((*tools.one("dranzer", revision.decode("ascii")), (_COUNT, count)))


def reports(content: bytes) -> Iterator[archives.Entry]:
    """The reports of dranzer in an archive; or the one that this is, without a name."""
    packed = archives.files(content, _BUNDLE) if archives.is_packed(content) else iter((archives.Entry("", content),))
    return (entry for entry in packed if not entry.name.lower().endswith(".csv"))


def revision_of(report: bytes) -> bytes:
    """The revision of the engine that wrote a report of dranzer; empty if it does not say."""
    match = _REVISION.search(report)
    return match[1] if match else b""


def radamsa_report(content: bytes) -> document.Document:
    """Records of radamsa -M, one a line. An empty log is valid; one invalid line makes the whole log invalid."""
    count = sum(1 for log in logs(content) for _ in records(log))
    return document.understood((*tools.one("radamsa"), (_RECORDS, str(count))))


def logs(content: bytes) -> Iterator[archives.Entry]:
    """The logs of radamsa -M in an archive or a gzip; or the one that this is."""
    if archives.is_gzip(content):
        unpacked = archives.gunzip(content)
        bundle = archives.is_tar(unpacked)
        yield from archives.files(content, _CAMPAIGN) if bundle else (archives.Entry("log", unpacked),)
    elif archives.is_packed(content):
        yield from archives.files(content, _CAMPAIGN)
    else:
        yield archives.Entry("log", content)


def records(log: archives.Entry) -> Iterator[list[tuple[str, str]]]:
    """The records of a log: names, and values as they are written. Raises errors.Invalid: a line is none."""
    for line in texts.lines(texts.decode(log.content)):
        if line.strip() and not _SEED.fullmatch(line.strip()):
            yield list(_pairs(line.strip(), log.name))


def _pairs(line: str, name: str) -> Iterator[tuple[str, str]]:
    position = 0
    while position < len(line):
        match = _PAIR.match(line, position)
        if not match:
            message = f"invalid radamsa -M pair in {document.shown(name)}: {document.shown(line[position:])}"
            raise errors.Invalid(message, fix=_RADAMSA)
        yield match[1], (match[2] or "").strip()
        position = match.end()


def radamsa_crashes(content: bytes) -> document.Document:
    """The crashing inputs: the files of an archive, or one file."""
    bundle = archives.is_packed(content)
    count = sum(1 for _ in archives.files(content, _CAMPAIGN)) if bundle else 1
    return document.understood((*tools.one("radamsa"), (_CRASHES, str(count))))
