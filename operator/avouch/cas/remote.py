"""Reads content through avouch's server, for workers that do not share its volume."""

import ssl
from collections.abc import AsyncIterator
from pathlib import Path

from avouch import digests, errors, pem

_SECONDS, _CONNECT = 30.0, 5.0  # between two pieces; to connect


class Remote:
    """Reads `GET /v1/artifacts/{digest}` with this pod's token; the content is hashed again here."""

    def __init__(self, server: str, authority: Path, token: Path) -> None:
        self._server = server
        self._authority = authority
        self._token = token

    async def get(self, digest: digests.Digest, *, namespace_uid: str = "") -> AsyncIterator[bytes]:
        """Content in pieces; with a namespace, only content that it stored.

        Raises:
            NotFound: the server has no such content.
            Corrupt: the bytes do not match; raised after the last piece.
            Unavailable: the server cannot answer now.
        """
        import httpx  # lazy: 5 MB, for workers that read artifacts

        hasher = digests.Hasher()
        # Both files are replaced under us: the token hourly, the authority when it rotates.
        authority = pem.certificates(self._authority.read_bytes(), str(self._authority))
        context = ssl.create_default_context(cadata=authority)
        headers = {"Authorization": f"Bearer {self._token.read_text(encoding='ascii').strip()}"}
        query = {"namespaceUid": namespace_uid} if namespace_uid else {}
        try:
            async with (
                httpx.AsyncClient(
                    verify=context, timeout=httpx.Timeout(_SECONDS, connect=_CONNECT), trust_env=False
                ) as client,
                client.stream("GET", f"{self._server}/v1/artifacts/{digest}", params=query, headers=headers) as answer,
            ):
                if answer.status_code == httpx.codes.NOT_FOUND:
                    raise errors.NotFound(f"no content {digest}")
                if answer.status_code != httpx.codes.OK:
                    raise errors.Unavailable(f"the server answered {answer.status_code} for {digest}")
                async for piece in answer.aiter_bytes(digests.CHUNK):
                    hasher.update(piece)
                    yield piece
        except httpx.HTTPError as exc:
            raise errors.Unavailable(f"cannot read {digest} from the server: {type(exc).__name__}") from exc
        if hasher.digest() != digest:
            raise errors.Corrupt(f"content no longer matches {digest}")
