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
_PAIR = re.compile(r'(?:[^\s:",]+):(?: ("(?:[^"\\]|\\.)*"|[^",]*))?(?:, |$)')
_CRASHES = f"{document.PREFIX}radamsa.crashes.count"
_RECORDS = f"{document.PREFIX}radamsa.report.records.count"
_COUNT = f"{document.PREFIX}dranzer.reports.count"


def dranzer(content: bytes) -> document.Document:
    """A report, or an archive of reports in which each text must be one; its table (.csv) does not count.

    Reports are in the code page of the machine, so the reader compares bytes, not characters.
    """
    entries = (
        archives.files(content, _BUNDLE) if archives.is_packed(content) else iter((archives.Entry("report", content),))
    )
    count, revision = 0, b""
    for entry in entries:
        if entry.name.lower().endswith(".csv"):
            continue
        if not _TELLING.search(entry.content):
            raise errors.Invalid(f"{document.shown(entry.name)} is not a dranzer report", fix=_DRANZER)
        match = _REVISION.search(entry.content)
        revision = revision or (match[1] if match else b"")
        count += 1
    if not count:
        raise errors.Invalid("the archive holds no dranzer report", fix=_DRANZER)
    return document.understood((*tools.one("dranzer", revision.decode("ascii")), (_COUNT, count)))


def radamsa_report(content: bytes) -> document.Document:
    """Records of radamsa -M, one a line. An empty log is valid; one invalid line makes the whole log invalid."""
    count = sum(_records(log) for log in _logs(content))
    return document.understood((*tools.one("radamsa"), (_RECORDS, str(count))))


def _logs(content: bytes) -> Iterator[archives.Entry]:
    if archives.is_gzip(content):
        unpacked = archives.gunzip(content)
        bundle = archives.is_tar(unpacked)
        yield from archives.files(content, _CAMPAIGN) if bundle else (archives.Entry("log", unpacked),)
    elif archives.is_packed(content):
        yield from archives.files(content, _CAMPAIGN)
    else:
        yield archives.Entry("log", content)


def _records(log: archives.Entry) -> int:
    count = 0
    for line in texts.lines(texts.decode(log.content)):
        if line.strip() and not _SEED.fullmatch(line.strip()):
            _check_record(line.strip(), log.name)
            count += 1
    return count


def _check_record(line: str, name: str) -> None:
    position = 0
    while position < len(line):
        match = _PAIR.match(line, position)
        if not match:
            message = f"invalid radamsa -M pair in {document.shown(name)}: {document.shown(line[position:])}"
            raise errors.Invalid(message, fix=_RADAMSA)
        position = match.end()


def radamsa_crashes(content: bytes) -> document.Document:
    """The crashing inputs: the files of an archive, or one file."""
    bundle = archives.is_packed(content)
    count = sum(1 for _ in archives.files(content, _CAMPAIGN)) if bundle else 1
    return document.understood((*tools.one("radamsa"), (_CRASHES, str(count))))
