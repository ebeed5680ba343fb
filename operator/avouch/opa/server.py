"""One running `opa`: it holds scripts and documents, and is asked for the results of scripts.

A document is given once, whatever number of scripts is asked about it; short ones are sent along with many questions
at once. A script is compiled once, when it is first asked. An answer that takes longer than it may, a process that
takes more memory than it may: the process is gone.
"""

import asyncio
import contextlib
import http
import io
import json
import shutil
import tempfile
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import IO, Any, NamedTuple

import aiohttp

from avouch import errors
from avouch.opa import gateway, launching, library, program, sending
from avouch.policy import rego
from avouch.values import dataclass

_START = 20.0  # seconds in which it answers for the first time
_LOOK = 0.005  # seconds between two looks at whether it does
_SPARE = 5.0  # seconds beyond the limit in which it tells that a script took too long
_WAIT = 2.0  # seconds from the end of its connection to its own
_WORDS = 300  # characters of its last words
SCRIPTS = 200  # that one process holds: it compiles all of them when one is added
_MOMENT = 1.0  # seconds for many questions together: who takes longer is asked by himself
_ANSWERS = "avouch.answers"
_TOGETHER = "avouch.together"
_SECOND = 1_000_000_000  # nanoseconds, as Rego tells the time
_CHEAPER = "make the script cheaper, or the document smaller"


@dataclass(frozen=True, slots=True)
class _Answer:
    """What it answered."""

    status: int
    content: bytes

    @property
    def parsed(self) -> dict[str, Any]:
        try:
            return dict(json.loads(self.content or b"{}"))
        except (ValueError, TypeError, RecursionError) as exc:
            raise errors.Invalid(f"OPA answered what is no JSON: {exc}"[:_WORDS]) from exc

    @property
    def complaint(self) -> str:
        """What is wrong, in its words."""
        said = self.parsed
        flaws = [str(program.flaw_of(each)) for each in said.get("errors") or () if isinstance(each, Mapping)]
        return "; ".join(flaws)[: 4 * _WORDS] or str(said.get("message") or self.status)[:_WORDS]


@dataclass(frozen=True, slots=True)
class Asking:
    """What a script is asked beside a document.

    Attributes:
        beside: more fields, beside those of the document.
        at: the time that it takes for now; None: now.
        reach: which hosts it may ask.
    """

    beside: Mapping[str, Any]
    at: datetime | None = None
    reach: sending.Reach = sending.Reach()


class Question(NamedTuple):
    """One of many that are asked together. `document`: its place among those that are sent along."""

    script: rego.Compiled
    document: int
    beside: Mapping[str, Any]


class Server:
    """A process, its socket, and what it holds."""

    def __init__(
        self, process: asyncio.subprocess.Process, folder: str, complaint: IO[bytes], limits: launching.Limits
    ) -> None:
        self._process = process
        self._folder = folder
        self._complaint = complaint
        self._limits = limits
        self._held: set[str] = set()
        place = aiohttp.UnixConnector(str(Path(folder) / "opa.sock"))
        timeout = aiohttp.ClientTimeout(limits.seconds + _SPARE)
        self._client = aiohttp.ClientSession("http://opa", connector=place, timeout=timeout, auto_decompress=False)

    @classmethod
    async def started(cls, opa: program.Program) -> "Server":
        """Start one.

        Raises:
            errors.Unavailable: it does not answer.
        """
        folder = tempfile.mkdtemp(prefix="avouch-opa-")  # nobody else may enter it
        complaint = tempfile.TemporaryFile()
        address = f"unix://{folder}/opa.sock"
        options = ("--skip-version-check", "--log-level", "error", "--optimize-store-for-read-speed")
        process = await launching.launched(
            *(opa.path, "run", "--server", "--addr", address, *options),
            limits=opa.limits,
            folder=folder,
            output=asyncio.subprocess.DEVNULL,
            complaint=complaint,
        )
        made = cls(process, folder, complaint, opa.limits)
        try:
            await made._ready()
            for name, source in (*library.SOURCES.items(), ("together", _JOINING)):
                await made._put(name, source)
        except BaseException:
            await made.end()
            raise
        return made

    @property
    def alive(self) -> bool:
        """Whether it can be asked."""
        return self._process.returncode is None

    @property
    def full(self) -> bool:
        """Whether it holds as many scripts as one process may."""
        return len(self._held) >= SCRIPTS

    def memory(self) -> int:
        """Bytes that it has in memory now; 0 where the system does not say."""
        try:
            status = Path(f"/proc/{self._process.pid}/status").read_text("ascii")
        except OSError:
            return 0
        return next((1024 * int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")), 0)

    @contextlib.asynccontextmanager
    async def document(self, content: bytes) -> AsyncIterator[str]:
        """Hold a document, which is JSON, for as long as it is asked about.

        Raises:
            errors.Invalid: it is no JSON, or too large.
        """
        name = uuid.uuid4().hex
        answer = await self._sent("PUT", f"/v1/data/documents/{name}", content, "application/json")
        if answer.status != http.HTTPStatus.NO_CONTENT:
            raise errors.Invalid(f"OPA does not take the document: {answer.complaint}")
        try:
            yield name
        finally:
            if self.alive:
                await self._sent("DELETE", f"/v1/data/documents/{name}")

    async def hold(self, script: rego.Compiled) -> None:
        """Have a script compiled, unless it is."""
        if script.name not in self._held:
            await self._put(script.name, script.source)
            await self._put(f"{script.name}-answer", _answering(script))
            self._held.add(script.name)

    async def ask(self, script: rego.Compiled, document: str, asking: Asking) -> Any:
        """The result of a script that is held, for a document that is.

        Raises:
            errors.Invalid: it fails on this input, or its answer is too large, or takes too long, or it asks a host
                that it may not ask.
            errors.NotFound: it has no result for this input.
        """
        given: dict[str, Any] = {"document": document, "beside": asking.beside}
        if asking.at is not None:
            given["now"] = int(asking.at.timestamp()) * _SECOND + 1000 * asking.at.microsecond
        if not script.sends:
            return await self._result(script, given)
        async with gateway.opened(self._folder, asking.reach, self._limits.seconds) as sends:
            try:
                found = await self._result(script, {**given, "gateway": sends.url})
            except errors.AvouchError:
                sends.check()  # it says more
                raise
            sends.check()
            return found

    async def _result(self, script: rego.Compiled, given: Mapping[str, Any]) -> Any:
        place = f"{_ANSWERS.replace('.', '/')}/{script.name}/answer"
        said = await self._asked(place, json.dumps({"input": given}).encode(), self._limits.seconds)
        if "result" not in said:
            raise errors.NotFound("the script has no result for this input")
        return said["result"]

    async def _asked(self, place: str, content: bytes, seconds: float) -> Mapping[str, Any]:
        """What it says of a rule, for an input."""
        path = f"/v1/data/{place}?strict-builtin-errors=true"
        answer = await self._sent("POST", path, content, "application/json", seconds=seconds)
        if answer.status != http.HTTPStatus.OK:
            raise errors.Invalid(answer.complaint)
        return answer.parsed

    async def together(self, documents: Sequence[bytes], questions: Sequence[Question]) -> Mapping[int, Any]:
        """The results of scripts that are held and last, by their places; none of those that have no result.

        Raises:
            errors.Invalid: a document is no JSON, or one of the scripts fails.
            errors.TooLarge: they take more than a moment, or more than one of them may.
        """
        for document in documents:
            _one_value(document)
        asked = [{"script": one.script.name, "document": one.document, "beside": one.beside} for one in questions]
        content = b'{"input":{"documents":[%b],"questions":%b}}' % (b",".join(documents), json.dumps(asked).encode())
        said = await self._asked(f"{_TOGETHER.replace('.', '/')}/answers", content, min(_MOMENT, self._limits.seconds))
        return {int(place): result for place, result in said["result"].items()}

    async def end(self) -> None:
        """End it, and take away what it left."""
        await launching.ended(self._process)
        await self._client.close()
        self._complaint.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    async def _ready(self) -> None:
        try:
            async with asyncio.timeout(_START):
                while self.alive:
                    with contextlib.suppress(aiohttp.ClientError):
                        async with self._client.get("/health") as answer:
                            if answer.ok:
                                return
                    await asyncio.sleep(_LOOK)
        except TimeoutError as exc:
            raise errors.Unavailable(f"OPA does not answer within {_START:.0f} seconds") from exc
        raise errors.Unavailable(f"OPA ended when it was started: {await self._last_words()}")

    async def _put(self, name: str, source: str) -> None:
        answer = await self._sent("PUT", f"/v1/policies/{name}", source.encode(), "text/plain")
        if answer.status != http.HTTPStatus.OK:
            raise errors.Invalid(f"OPA does not take the script: {answer.complaint}")

    async def _sent(
        self, method: str, place: str, content: bytes = b"", kind: str = "text/plain", *, seconds: float = 0
    ) -> "_Answer":
        """One exchange, within the limits; the process is ended where it does not keep them."""
        seconds = seconds or self._limits.seconds
        headers = {"content-type": kind, "accept-encoding": "identity"}
        body = io.BytesIO(content) if content else None  # sent in pieces: a large document does not hold the loop
        try:
            async with asyncio.timeout(seconds):
                async with self._client.request(method, place, data=body, headers=headers) as answer:
                    return _Answer(answer.status, await self._read(answer))
        except TimeoutError as exc:
            await self.end()
            raise errors.TooLarge(f"took longer than {seconds:g} seconds", fix=_CHEAPER) from exc
        except aiohttp.ClientError as exc:
            words = await self._last_words()
            await self.end()
            if any(word.decode() in words for word in launching.OUT_OF_MEMORY):
                most = self._limits.memory // launching.MIB
                raise errors.TooLarge(f"took more than {most} MiB of memory", fix=_CHEAPER) from exc
            raise errors.Invalid(f"the engine ended over it: {words}"[:_WORDS]) from exc

    async def _read(self, answer: aiohttp.ClientResponse) -> bytes:
        pieces, size = [], 0
        async for piece in answer.content.iter_any():
            size += len(piece)
            if size > self._limits.answer:
                await self.end()
                most = self._limits.answer // launching.MIB
                raise errors.TooLarge(f"answered more than {most} MiB", fix="make the script say less")
            pieces.append(piece)
        return b"".join(pieces)

    async def _last_words(self) -> str:
        """Why it is about to end, or has ended; "it was ended" where it was us or the system."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._process.wait(), _WAIT)
        if self._complaint.closed:
            return "it was ended"
        self._complaint.seek(0)
        said = self._complaint.read(64 * 1024).decode("utf-8", "replace")
        if (word := next((word for word in launching.OUT_OF_MEMORY if word.decode() in said), None)) is not None:
            return word.decode()
        last = next((line for line in said.splitlines() if "fatal error" in line or "panic" in line), said[-_WORDS:])
        return last.strip() or f"it ended with {self._process.returncode}"


def _answering(script: rego.Compiled) -> str:
    """The question as a script: the result, where input is the document and what lies beside it, now or at a time.

    One of a script that lasts can be asked together with others (`_JOINING`): there the document is sent along.
    """
    asked = _shown(script, "data.documents[input.document]")
    if script.sends:
        asked += " with data.avouch.gateway as input.gateway"
    joined = f"joined := said if {{ said := {_shown(script, 'input.content')} }}\n" if script.lasting else ""
    return (
        f"package {_ANSWERS}.{script.name}\n\n"
        f"answer := said if {{ not input.now; said := {asked} }}\n"
        f"answer := said if {{ input.now; said := {asked} with time.now_ns as input.now }}\n{joined}"
    )


def _shown(script: rego.Compiled, document: str) -> str:
    """The result of a script for a document and what lies beside it.

    What the document itself has of these names is taken out first: a union of objects goes into them, and would leave
    there what the document adds.
    """
    bare = f"object.remove({document}, object.keys(input.beside))"
    return f"{rego.path(script.result)} with input as object.union({bare}, input.beside)"


_JOINING = f"""\
package {_TOGETHER}

answers := {{place: said |
    some place, asked in input.questions
    shown := {{"content": input.documents[asked.document], "beside": asked.beside}}
    said := data.{_ANSWERS}[asked.script].joined with input as shown
}}
"""
"""Many questions as one: whose script has no result is left out, and one that fails fails them all."""


def _one_value(document: bytes) -> None:
    """Raises errors.Invalid: it is not one JSON value, and would be read as questions of others."""
    try:
        json.loads(document.decode(), parse_constant=_refuse)
    except (ValueError, RecursionError) as exc:
        raise errors.Invalid(f"the document is no JSON: {exc}"[:_WORDS]) from exc


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")
