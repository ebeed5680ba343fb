"""From a CASBackend's spec and its Secret to a backend: the one table of kinds, and of the keys of their Secrets."""

import json
import re
import ssl
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from obstore.store import AzureStore, GCSStore, ObjectStore, S3Store

from avouch import errors, pem, pinned
from avouch.cas import filesystem, forwarding, objects, oci
from avouch.destinations import PUBLIC, Destinations
from avouch.oci import client, credentials

Backend = objects.Objects | filesystem.FileSystem | oci.Registry
Secret = Mapping[str, bytes]
_AUTHORITY = "ca.crt"  # also in the Secret: whom to trust, where that is no public authority
_HOST = "host"  # also in the Secret: where its credentials may be sent; several are separated by blanks or commas
# Three attempts in at most 20 s: the uploading client waits, and retries itself.
_RETRY = {"max_retries": 3, "retry_timeout": timedelta(seconds=20)}
_IDLE = "2"  # connections that a store keeps for later: each of them takes a place of the forwarder's


class Install(NamedTuple):
    """What this install offers to backends: an artifact volume, if any, what they may connect to, and how.

    `forwarder`: the way to object stores at addresses of their own; their client checks no address itself. `owner`: the
    UID of the namespace that declared the backend: connections to all of its stores are counted together.
    """

    volume: Path | None = None
    destinations: Destinations = PUBLIC
    forwarder: forwarding.Forwarder | None = None
    owner: str = ""


def build(spec: Mapping[str, Any], secret: Secret, uid: str, install: Install | None = None) -> Backend:
    """The backend of a spec. In a bucket or on the volume its objects are below its uid.

    So two CASBackends of one bucket, or of one bucket and two clusters, never remove each other's artifacts. A registry
    has Chainloop's layout instead, without such a folder.

    Who may write a CASBackend chooses its address, but need not be able to read its Secret. So what travels as it is,
    or could be sent on, only goes to the host that the Secret itself names (`_addressed`).

    Raises:
        Invalid: the spec or the Secret lacks something; `field` names it.
    """
    offered = install or Install()
    for kind, builder in _BUILDERS.items():
        if spec.get(kind) is not None:
            return builder(spec[kind], secret, uid, offered)
    if spec.get("filesystem") is not None:
        if offered.volume is None:
            raise errors.Invalid(
                "this install has no artifact volume", field="spec.filesystem",
                fix="set artifacts.backend to filesystem in the chart's values, or use another kind of backend",
            )  # fmt: skip
        return filesystem.FileSystem(offered.volume / "backends" / uid)
    raise errors.Invalid("unknown kind of backend", field="spec", fix="set one of s3, gcs, azure, oci, filesystem")


def _s3(said: Mapping[str, Any], secret: Secret, uid: str, offered: Install) -> Backend:
    endpoint = said.get("endpoint")
    options = {
        "region": str(said["region"]),
        "access_key_id": _text(secret, "accessKeyId"),
        "secret_access_key": _text(secret, "secretAccessKey"),
    }
    if "sessionToken" in secret:
        options["session_token"] = _text(secret, "sessionToken")
    store = _opened(S3Store, str(said["bucket"]), _client(secret, endpoint, uid, offered), _at(endpoint, options))
    return objects.Objects(store, prefix=_below(said, uid), reach=_reach(endpoint, offered.destinations))


def _gcs(said: Mapping[str, Any], secret: Secret, uid: str, offered: Install) -> Backend:
    key = _text(secret, "credentials.json")
    address = _base_url(key)
    http = _client(secret, address, uid, offered)
    store = _opened(GCSStore, str(said["bucket"]), http, {"service_account_key": key})
    return objects.Objects(store, prefix=_below(said, uid), reach=_reach(address, offered.destinations))


def _base_url(key: str) -> str | None:
    """The address that a key itself names, for stores that are compatible with Google's."""
    try:
        found = json.loads(key)
    except (ValueError, RecursionError):
        return None  # the client refuses it
    said = found.get("gcs_base_url") if isinstance(found, dict) else None
    return said if isinstance(said, str) else None


def _azure(said: Mapping[str, Any], secret: Secret, uid: str, offered: Install) -> Backend:
    endpoint, account = said.get("endpoint"), str(said["account"])
    if endpoint or "sasToken" in secret:
        # A token travels in the address; what an account key signed says nothing of the host, and can be sent on.
        host = urlsplit(str(endpoint)).netloc if endpoint else f"{account}.blob.core.windows.net"
        _addressed(secret, host, "its credentials")
    options = {"account_name": account, **_azure_identity(secret)}
    http = _client(secret, endpoint, uid, offered)
    store = _opened(AzureStore, str(said["container"]), http, _at(endpoint, options))
    return objects.Objects(store, prefix=_below(said, uid), reach=_reach(endpoint, offered.destinations))


def _azure_identity(secret: Secret) -> dict[str, str]:
    if "accountKey" in secret:
        return {"account_key": _text(secret, "accountKey")}
    if "sasToken" in secret:
        return {"sas_key": _text(secret, "sasToken")}
    names = {"tenant_id": "tenantId", "client_id": "clientId", "client_secret": "clientSecret"}
    return {option: _text(secret, key) for option, key in names.items()}


def _oci(said: Mapping[str, Any], secret: Secret, _uid: str, offered: Install) -> Backend:
    registry, _, repository = str(said["repository"]).partition("/")
    plain = said.get("insecure") is True
    reach = offered.destinations.listed() if plain else offered.destinations
    options = client.Options(plain=plain, transport=pinned.Transport(_trusted(secret), reach))
    return oci.Registry(client.Client(registry, _credential(registry, repository, secret), options), repository)


def _trusted(secret: Secret) -> ssl.SSLContext:
    return ssl.create_default_context(cadata=_authority(secret) if _AUTHORITY in secret else None)


def _authority(secret: Secret) -> str:
    return pem.certificates(secret[_AUTHORITY], f"spec.secretRef, key {_AUTHORITY} of the Secret")


def _credential(registry: str, repository: str, secret: Secret) -> credentials.Credential | None:
    if ".dockerconfigjson" in secret:
        text = _text(secret, ".dockerconfigjson")
        return credentials.of_config(text, f"{registry}/{repository}", where="key .dockerconfigjson")
    if "username" in secret:
        _addressed(secret, registry, "its username and password")
        return credentials.Credential(_text(secret, "username"), _text(secret, "password"))
    return None


def _addressed(secret: Secret, host: str, what: str) -> None:
    """Refuse a Secret that does not say that it is for this host."""
    said = _text(secret, _HOST) if _HOST in secret else ""
    named = {re.sub(r"^https?://|/+$", "", each).lower() for each in re.split(r"[\s,]+", said) if each}
    if host.lower() in named:
        return
    message = f"the Secret does not say that {what} are for {host}"
    alike = " (in a Secret of type kubernetes.io/dockerconfigjson the registry says so)" if "username" in secret else ""
    raise errors.Invalid(message, field="spec.secretRef", fix=f"add the key {_HOST}: {host} to the Secret{alike}")


def _reach(address: object, allowed: Destinations) -> objects.Reach | None:
    """What is checked of an address that somebody named, before each request."""
    if not address:
        return None
    try:
        parts = urlsplit(str(address))
        host, port = parts.hostname or "", parts.port or (80 if parts.scheme == "http" else 443)
    except ValueError as exc:
        raise errors.Invalid("not an HTTP address", field="spec", fix="write https://host[:port][/path]") from exc
    return objects.Reach(host, port, allowed.listed() if parts.scheme == "http" else allowed)


def _below(said: Mapping[str, Any], uid: str) -> str:
    return f"{said.get('prefix') or ''}/{uid}"


def _at(endpoint: object, options: dict[str, str]) -> dict[str, str]:
    return {**options, "endpoint": str(endpoint)} if endpoint else options


def _opened(kind: Callable[..., ObjectStore], name: str, http: Mapping[str, Any], options: Any) -> ObjectStore:
    """Explicit settings take precedence over those that obstore reads from the environment."""
    try:
        return kind(name, config=options, client_options=http, retry_config=_RETRY)
    except Exception as exc:  # invalid key, address or authority: each raises its own class
        raise errors.Invalid(
            f"the store's client refuses these settings: {type(exc).__name__}",
            field="spec",
            fix="check the values of the Secret",
        ) from exc


def _client(secret: Secret, endpoint: object, uid: str, offered: Install) -> Mapping[str, Any]:
    """Plain HTTP only if the endpoint has it. To an endpoint that somebody named, all goes through the forwarder."""
    options: dict[str, Any] = {
        "connect_timeout": timedelta(seconds=5),
        "timeout": timedelta(seconds=60),
        "user_agent": "avouch",
    }
    if endpoint:
        if offered.forwarder is None:
            raise errors.Invalid("a store at an address of its own cannot be reached here", field="spec")
        options["proxy_url"] = offered.forwarder.url(offered.owner or uid)
        options["pool_max_idle_per_host"] = _IDLE
    if str(endpoint or "").startswith("http://"):
        options["allow_http"] = True
        options["pool_max_idle_per_host"] = "0"  # the forwarder takes one request on a connection
    if _AUTHORITY in secret:
        options["root_certificate"] = _authority(secret).encode("ascii")
    return options


def _text(secret: Secret, key: str) -> str:
    """One value of the Secret; a newline at its end is removed, because editors add it."""
    try:
        return secret[key].decode("utf-8").strip()
    except KeyError as exc:
        raise errors.Invalid(f"the Secret has no key {key}", field="spec.secretRef", fix=f"add {key} to it") from exc
    except UnicodeDecodeError as exc:
        raise errors.Invalid(f"key {key} of the Secret is not text", field="spec.secretRef") from exc


_BUILDERS: Mapping[str, Callable[[Mapping[str, Any], Secret, str, Install], Backend]] = {
    "s3": _s3,
    "gcs": _gcs,
    "azure": _azure,
    "oci": _oci,
}
