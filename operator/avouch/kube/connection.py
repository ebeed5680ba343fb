"""The way to the API server for processes that only read: httpx, without the official client's 60 MiB.

Inside a pod the ServiceAccount's files say all there is to know; outside (`make dev`, tests) a kubeconfig does. The
token file is read again for each request, because the kubelet replaces it every hour.
"""

import base64
import binascii
import ssl
import tempfile
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml

from avouch import errors

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_TIMEOUT = httpx.Timeout(5.0, connect=2.0)  # seconds; a push waits for up to four of these reads
# httpcore looks at every connection for every request, so 64 cost more CPU than the requests. Up to four are watches.
_LIMITS = httpx.Limits(max_connections=16, max_keepalive_connections=16)


class _TokenFile(httpx.Auth):
    """Bearer token from a file that changes under us."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        request.headers["Authorization"] = f"Bearer {self._path.read_text(encoding='ascii').strip()}"
        yield request


@dataclass(frozen=True, slots=True)
class Connection:
    """A client of one API server. Close it with `close`."""

    client: httpx.AsyncClient

    async def get(self, path: str, params: Mapping[str, str] | None = None) -> dict[str, Any] | None:
        """One object or list as plain JSON; None where there is no such thing.

        Raises:
            Unavailable: no answer, or one that says neither yes nor no.
        """
        return await self._json("GET", path, None, params)

    async def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Create an object, e.g. a review.

        Raises:
            Unavailable: as for `get`, and where the resource does not exist.
        """
        answer = await self._json("POST", path, body, None)
        if answer is None:
            raise errors.Unavailable(f"the API server does not know {path}")
        return answer

    async def close(self) -> None:
        """Give the connections back."""
        await self.client.aclose()

    async def _json(
        self, method: str, path: str, body: Mapping[str, Any] | None, params: Mapping[str, str] | None
    ) -> dict[str, Any] | None:
        try:
            response = await self.client.request(method, path, json=body, params=params)
            if response.status_code == httpx.codes.NOT_FOUND:
                return None
            response.raise_for_status()
            answer = response.json()
        except httpx.HTTPStatusError as exc:
            raise errors.Unavailable(f"the API server answered {exc.response.status_code} to {method} {path}") from exc
        except (httpx.HTTPError, OSError, ValueError) as exc:
            raise errors.Unavailable(f"no answer from the API server to {method} {path}: {type(exc).__name__}") from exc
        if not isinstance(answer, dict):
            raise errors.Unavailable(f"the API server answered {method} {path} with something that is no object")
        return answer


def in_cluster(host: str, port: str, folder: Path = SERVICE_ACCOUNT) -> Connection:
    """The API server of the cluster this pod runs in.

    Raises:
        Unavailable: the pod has no ServiceAccount files.
    """
    try:
        context = ssl.create_default_context(cafile=str(folder / "ca.crt"))
    except OSError as exc:
        raise errors.Unavailable(f"no ServiceAccount in {folder}: is automountServiceAccountToken off?") from exc
    name = f"[{host}]" if ":" in host else host
    return _connection(f"https://{name}:{port}", context, _TokenFile(folder / "token"))


def of_environment(kubeconfig: Path | None, environment: Mapping[str, str]) -> Connection:
    """Inside a pod by its ServiceAccount, outside by the kubeconfig named.

    Raises:
        Invalid: neither is there.
    """
    if kubeconfig is not None:
        return from_kubeconfig(kubeconfig)
    host, port = environment.get("KUBERNETES_SERVICE_HOST", ""), environment.get("KUBERNETES_SERVICE_PORT", "443")
    if not host:
        raise errors.Invalid("not in a cluster", field="AVOUCH_KUBECONFIG", fix="name a kubeconfig file")
    return in_cluster(host, port)


def from_kubeconfig(path: Path) -> Connection:
    """The API server that the current context of a kubeconfig names; client certificates and tokens only.

    Raises:
        Invalid: the file names no server, or logs in by a plugin.
    """
    config = yaml.safe_load(path.read_text(encoding="utf-8"))
    try:
        context = _named(config["contexts"], config["current-context"])["context"]
        cluster = _named(config["clusters"], context["cluster"])["cluster"]
        user = _named(config["users"], context["user"])["user"]
        server = str(cluster["server"])
    except (KeyError, TypeError, StopIteration) as exc:
        raise errors.Invalid(f"{path} names no server", fix="kubectl config use-context NAME") from exc
    tls = ssl.create_default_context(cadata=_data(cluster, "certificate-authority", path))
    certificate, key = _data(user, "client-certificate", path), _data(user, "client-key", path)
    if certificate and key:
        _load(tls, certificate, key)
    return _connection(server, tls, None, {"Authorization": f"Bearer {user['token']}"} if user.get("token") else {})


def _connection(
    url: str, context: ssl.SSLContext, auth: httpx.Auth | None, headers: Mapping[str, str] | None = None
) -> Connection:
    client = httpx.AsyncClient(
        base_url=url,
        verify=context,
        auth=auth,
        headers={"User-Agent": "avouch", "Accept": "application/json", **(headers or {})},
        timeout=_TIMEOUT,
        limits=_LIMITS,
        trust_env=False,  # no proxy from the environment, and no .netrc
    )
    return Connection(client)


def _named(items: list[dict[str, Any]], name: str) -> dict[str, Any]:
    return next(item for item in items if item["name"] == name)


def _data(holder: Mapping[str, Any], key: str, config: Path) -> str | None:
    try:
        if holder.get(f"{key}-data"):
            return base64.b64decode(holder[f"{key}-data"], validate=True).decode("ascii")
    except (binascii.Error, UnicodeDecodeError) as exc:
        raise errors.Invalid("not base64", field=f"{config}: {key}-data") from exc
    return (config.parent / holder[key]).read_text(encoding="ascii") if holder.get(key) else None


def _load(context: ssl.SSLContext, certificate: str, key: str) -> None:
    """`load_cert_chain` takes files only."""
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:  # mode 0600
        file.write(f"{certificate}\n{key}")
        file.flush()
        context.load_cert_chain(file.name)
