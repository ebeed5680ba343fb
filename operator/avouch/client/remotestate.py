"""A state kept by the server, for jobs whose steps share no disk: changed only if nothing else changed it meanwhile.

The server's ETag is the digest of the bytes, so a change that was stored while its answer was lost is recognised when
it is tried again.
"""

import urllib.parse
from typing import NamedTuple

from avouch import clocks, digests, errors
from avouch.client import connection
from avouch.crafting import state, statestore

TRIES = 20  # conflicts in a row; each of them means that somebody else got on
_PAUSE = 4.0  # seconds at most between two of them


class RemoteState(NamedTuple):
    """The state of one run on the server."""

    link: connection.Connection
    run: str
    clock: clocks.Clock = clocks.Clock()

    @property
    def place(self) -> str:
        """Where that is, for people."""
        return f"attestation {self.run} on {self.link.to.server}"

    def load(self) -> state.State:
        """The state. Raises as `statestore.StateStore.load`."""
        return state.read(self._get())

    def create(self, found: state.State, *, replace: bool = False) -> None:
        """Keep a first state. Raises as `statestore.StateStore.create`."""
        content = state.write(found)
        try:
            self._put(content, {"If-None-Match": "*"})
        except errors.Conflict as exc:
            there = self._get()
            if there == content:  # ours, stored before its answer got lost
                return
            if not replace:
                raise statestore.exists(self.place) from exc
            self._put(content, _matching(there))

    def change(self, step: statestore.Step) -> state.State:
        """Apply a step. Raises as `statestore.StateStore.change`."""
        for attempt in range(TRIES):
            there = self._get()
            changed = step(state.read(there))
            content = state.write(changed)
            try:
                self._put(content, _matching(there))
            except errors.Conflict:
                if self._get() == content:
                    return changed
                self.clock.sleep(min(_PAUSE, connection.backoff(attempt)))
                continue
            return changed
        message = f"{self.place} was changed by others {TRIES} times in a row"
        raise errors.Conflict(f"{message} (fix: let fewer steps add to it at once, and try again)")

    def remove(self) -> None:
        """Delete the state."""
        request = connection.Request("DELETE", self._path, accept=frozenset({200, 204, 404, 410}))
        self.link.send(request)

    @property
    def _path(self) -> str:
        return f"/v1/runs/{urllib.parse.quote(self.run, safe='')}/state"

    def _get(self) -> bytes:
        try:
            return self.link.send(connection.Request("GET", self._path)).body
        except errors.NotFound as exc:
            raise statestore.absent(self.place) from exc

    def _put(self, content: bytes, condition: dict[str, str]) -> None:
        headers = {"Content-Type": "application/octet-stream", **condition}
        self.link.send(connection.Request("PUT", self._path, content, headers))


def _matching(content: bytes) -> dict[str, str]:
    return {"If-Match": f'"{digests.of_bytes(content)}"'}
