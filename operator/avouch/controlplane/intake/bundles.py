"""What is believed of a pushed bundle, found out without holding up whoever else is served.

All requests share one event loop. Of a bundle up to `IN_LOOP` bytes every check together takes it for less than 20 ms,
whatever stands in it; larger ones are checked in a thread, one after the other: a second thread would be no faster, for
both would wait for the same interpreter.
"""

import asyncio
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime

from avouch.attestation import canonicaljson, identity, predicate, recordable, trust, verification

IN_LOOP = 64 * 1024  # bytes; a bundle of 50 materials has 19 KB, of 200 (no contract has more) 70 KB
MAX_ITEMS = 50_000  # of JSON: 200 materials with 32 annotations each, all of them outputs, have 18,000


@dataclass(frozen=True, slots=True)
class Believed:
    """A bundle that verified, and what it says."""

    attestation: verification.VerifiedAttestation
    facts: predicate.AttestationFacts


def believe(content: bytes, roots: trust.TrustRoot, signer: identity.Identity, at: datetime) -> Believed:
    """Verify a bundle and read it.

    Raises:
        NotVerified: it is not signed by exactly this signer, or holds more than any honest one.
        Invalid: the statement is no attestation, or holds what cannot be recorded.
    """
    verified = verification.verify(content, roots, signer, at, _read)
    return Believed(verified, recordable.read(verified))


def one_thread() -> Executor:
    """Where large bundles are checked; the thread is started by the first of them."""
    return ThreadPoolExecutor(1, thread_name_prefix="bundles")


@dataclass(frozen=True, slots=True)
class Checking:
    """`believe`, here or in the thread."""

    large: Executor = field(default_factory=one_thread)

    async def believe(
        self, content: bytes, roots: trust.TrustRoot, signer: identity.Identity, at: datetime
    ) -> Believed:
        """What `believe` answers. Raises what it raises."""
        if len(content) <= IN_LOOP:
            return believe(content, roots, signer, at)
        return await asyncio.get_running_loop().run_in_executor(self.large, believe, content, roots, signer, at)


def _read(data: bytes, *, max_bytes: int) -> object:
    return canonicaljson.loads(data, max_bytes=max_bytes, max_items=MAX_ITEMS)
