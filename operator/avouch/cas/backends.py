"""From a CASBackend's spec and its Secret to a backend: the one table of kinds, and of the keys of their Secrets."""

import ssl
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from obstore.store import AzureStore, GCSStore, ObjectStore, S3Store

from avouch import errors
from avouch.cas import filesystem, objects, oci
from avouch.oci import client, credentials

Backend = objects.Objects | filesystem.FileSystem | oci.Registry
Secret = Mapping[str, bytes]
_AUTHORITY = "ca.crt"  # also in the Secret: whom to trust, where that is no public authority
# Three attempts in at most 20 s: the uploading client waits, and retries itself.
_RETRY = {"max_retries": 3, "retry_timeout": timedelta(seconds=20)}


def build(spec: Mapping[str, Any], secret: Secret, uid: str, volume: Path | None = None) -> Backend:
    """The backend of a spec. In a bucket or on the volume its objects are below its uid.

    So two CASBackends of one bucket, or of one bucket and two clusters, never remove each other's artifacts. A registry
    has Chainloop's layout instead, without such a folder. `volume`: the artifact volume, if the install has one.

    Raises:
        Invalid: the spec or the Secret lacks something; `field` names it.
    """
    for kind, builder in _BUILDERS.items():
        if spec.get(kind) is not None:
            return builder(spec[kind], secret, uid)
    if spec.get("filesystem") is not None:
        if volume is None:
            raise errors.Invalid(
                "this install has no artifact volume", field="spec.filesystem",
                fix="set artifacts.backend to filesystem in the chart's values, or use another kind of backend",
            )  # fmt: skip
        return filesystem.FileSystem(volume / "backends" / uid)
    raise errors.Invalid("unknown kind of backend", field="spec", fix="set one of s3, gcs, azure, oci, filesystem")


def _s3(said: Mapping[str, Any], secret: Secret, uid: str) -> Backend:
    endpoint = said.get("endpoint")
    options = {
        "region": str(said["region"]),
        "access_key_id": _text(secret, "accessKeyId"),
        "secret_access_key": _text(secret, "secretAccessKey"),
    }
    if "sessionToken" in secret:
        options["session_token"] = _text(secret, "sessionToken")
    store = _opened(S3Store, str(said["bucket"]), _client(secret, endpoint), _at(endpoint, options))
    return objects.Objects(store, prefix=_below(said, uid))


def _gcs(said: Mapping[str, Any], secret: Secret, uid: str) -> Backend:
    key = _text(secret, "credentials.json")
    plain = "http://" if '"http://' in key else None  # only where the key itself names such an address
    store = _opened(GCSStore, str(said["bucket"]), _client(secret, plain), {"service_account_key": key})
    return objects.Objects(store, prefix=_below(said, uid))


def _azure(said: Mapping[str, Any], secret: Secret, uid: str) -> Backend:
    endpoint = said.get("endpoint")
    options = {"account_name": str(said["account"]), **_azure_identity(secret)}
    store = _opened(AzureStore, str(said["container"]), _client(secret, endpoint), _at(endpoint, options))
    return objects.Objects(store, prefix=_below(said, uid))


def _azure_identity(secret: Secret) -> dict[str, str]:
    if "accountKey" in secret:
        return {"account_key": _text(secret, "accountKey")}
    if "sasToken" in secret:
        return {"sas_key": _text(secret, "sasToken")}
    names = {"tenant_id": "tenantId", "client_id": "clientId", "client_secret": "clientSecret"}
    return {option: _text(secret, key) for option, key in names.items()}


def _oci(said: Mapping[str, Any], secret: Secret, _uid: str) -> Backend:
    registry, _, repository = str(said["repository"]).partition("/")
    options = client.Options(plain=said.get("insecure") is True, tls=_trusted(secret), proxies=False)
    return oci.Registry(client.Client(registry, _credential(registry, secret), options), repository)


def _trusted(secret: Secret) -> ssl.SSLContext | None:
    if _AUTHORITY not in secret:
        return None
    try:
        return ssl.create_default_context(cadata=_text(secret, _AUTHORITY))
    except ssl.SSLError as exc:
        raise errors.Invalid(
            f"key {_AUTHORITY} of the Secret holds no certificate", field="spec.secretRef", fix="write it as PEM"
        ) from exc


def _credential(registry: str, secret: Secret) -> credentials.Credential | None:
    if ".dockerconfigjson" in secret:
        return credentials.of_config(_text(secret, ".dockerconfigjson"), registry, where="key .dockerconfigjson")
    if "username" in secret:
        return credentials.Credential(_text(secret, "username"), _text(secret, "password"))
    return None


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


def _client(secret: Secret, endpoint: object) -> Mapping[str, Any]:
    """Plain HTTP only if the endpoint of the spec has it."""
    options: dict[str, Any] = {
        "connect_timeout": timedelta(seconds=5),
        "timeout": timedelta(seconds=60),
        "user_agent": "avouch",
    }
    if str(endpoint or "").startswith("http://"):
        options["allow_http"] = True
    if _AUTHORITY in secret:
        options["root_certificate"] = secret[_AUTHORITY]
    return options


def _text(secret: Secret, key: str) -> str:
    """One value of the Secret; a newline at its end is removed, because editors add it."""
    try:
        return secret[key].decode("utf-8").strip()
    except KeyError as exc:
        raise errors.Invalid(f"the Secret has no key {key}", field="spec.secretRef", fix=f"add {key} to it") from exc
    except UnicodeDecodeError as exc:
        raise errors.Invalid(f"key {key} of the Secret is not text", field="spec.secretRef") from exc


_BUILDERS: Mapping[str, Callable[[Mapping[str, Any], Secret, str], Backend]] = {
    "s3": _s3,
    "gcs": _gcs,
    "azure": _azure,
    "oci": _oci,
}
