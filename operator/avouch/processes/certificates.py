"""Certificates that change under a running process: mounted Secrets, and the authority of the cluster's front proxy.

A listener keeps one SSL context for its life and asks, in the handshake's SNI callback, for the newest one; so a new
certificate counts from the next connection on and no connection is dropped.
"""

import asyncio
import json
import logging
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path

from avouch import digests, errors, pem
from avouch.attestation import authority, trust
from avouch.kube import reader

SECONDS = 10.0  # between looks at files; the kubelet takes up to a minute anyway
_log = logging.getLogger(__name__)


class WatchedFiles:
    """Builds a value from files, again when their bytes change. An invalid change keeps the previous value."""

    def __init__(self, paths: tuple[Path, ...], build: Callable[[], None]) -> None:
        self._paths = paths
        self._build = build
        self._seen = self._look()
        build()

    def refresh(self) -> bool:
        """Check once; True if something was rebuilt."""
        try:
            found = self._look()
            if found == self._seen:
                return False
            self._build()
        except (OSError, ssl.SSLError, errors.AvouchError) as exc:
            _log.error("cannot load %s, so the previous content stays in use: %s", self._paths[0], exc)
            return False
        self._seen = found
        _log.info("reloaded %s", self._paths[0])
        return True

    def _look(self) -> tuple[digests.Digest, ...]:
        return tuple(digests.of_bytes(path.read_bytes()) for path in self._paths)


class Serving:
    """TLS of one listener from tls.crt and tls.key; with `client_ca` (PEM) only its clients are accepted."""

    def __init__(self, folder: Path, *, client_ca: str | None = None) -> None:
        self._folder = folder
        self._client_ca = client_ca
        self._newest = self._fresh()
        self.context = self._fresh()
        self.context.sni_callback = self._swap
        self.watched = WatchedFiles((folder / "tls.crt", folder / "tls.key"), self._rebuild)

    def trust_clients_of(self, client_ca: str) -> None:
        """Set the authority of clients, from the next handshake on."""
        if client_ca != self._client_ca:
            self._client_ca = client_ca
            self._rebuild()

    def _rebuild(self) -> None:
        self._newest = self._fresh()

    def _fresh(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(self._folder / "tls.crt", self._folder / "tls.key")
        if self._client_ca is not None:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(cadata=pem.certificates(self._client_ca, "client-ca"))
        return context

    def _swap(self, connection: ssl.SSLObject, name: str | None, context: ssl.SSLContext) -> None:
        connection.context = self._newest


class Authorities:
    """The authority for pod certificates from ca.crt and ca.key: `controlplane.intake.submissions.Keys`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._authority: authority.Authority
        self._trust: trust.TrustRoot
        self.watched = WatchedFiles((folder / "ca.crt", folder / "ca.key"), self._build)

    def authority(self) -> authority.Authority:
        """The authority that issues leaves: the first certificate of ca.crt."""
        return self._authority

    def trust(self) -> trust.TrustRoot:
        """Every certificate of ca.crt, and of previous.crt for a while after a rotation."""
        return self._trust

    def _build(self) -> None:
        certificates = (self._folder / "ca.crt").read_bytes()
        previous = self._folder / "previous.crt"
        before = [previous.read_bytes()] if previous.exists() else []
        issuer = authority.Authority.from_pem(certificates, (self._folder / "ca.key").read_bytes())
        self._authority, self._trust = issuer, trust.TrustRoot.from_pems([certificates, *before])


class FrontProxy:
    """Client authority of the aggregated listener, from ConfigMap kube-system/extension-apiserver-authentication."""

    def __init__(self) -> None:
        self.client_ca = ""
        self._names: frozenset[str] = frozenset()
        self._any = False

    def allows(self, common_name: str) -> bool:
        """The cluster's list of names; an empty list there means any client of its authority."""
        return self._any or common_name in self._names

    async def load(self, cluster: reader.ClusterReader) -> None:
        """Read the ConfigMap.

        Raises:
            Unavailable: it does not exist, has no authority, or the API server does not answer.
        """
        found = await cluster.config_map("kube-system", "extension-apiserver-authentication")
        data = (found or {}).get("data") or {}
        if not data.get("requestheader-client-ca-file"):
            raise errors.Unavailable("the cluster has no front proxy: its aggregation layer is disabled")
        try:
            names = [str(name) for name in json.loads(data.get("requestheader-allowed-names") or "[]")]
        except (ValueError, TypeError) as exc:
            raise errors.Unavailable("requestheader-allowed-names is not a JSON list") from exc
        self.client_ca = str(data["requestheader-client-ca-file"])
        self._names, self._any = frozenset(names), not names


async def keep_fresh(watched: tuple[WatchedFiles, ...], proxy: Callable[[], Awaitable[None]] | None = None) -> None:
    """Check all files until cancelled."""
    while True:
        await asyncio.sleep(SECONDS)
        for one in watched:
            one.refresh()
        if proxy is not None:
            try:
                await proxy()
            except errors.AvouchError as exc:
                _log.warning("cannot reload the front proxy's authority: %s", exc)
