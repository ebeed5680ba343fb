"""Reading and writing the file of `login`, which only its owner may read. Imported only where there is one."""

import contextlib
import os
from pathlib import Path

import yaml

from avouch import errors
from avouch.client import access
from avouch.materials.readers import yamls

_LIMIT = 512 * 1024  # bytes
_FIELDS = ("server", "token", "ca", "namespace")


def read(path: Path) -> access.Stored:
    """The stored login; an empty one if there is no file.

    Raises:
        Invalid: the file holds something else, or other users can read the token in it.
    """
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            content = file.read(_LIMIT)
        found = yamls.load(content) or {}
    except FileNotFoundError:
        return access.Stored()
    except (OSError, errors.Invalid) as exc:
        raise errors.Invalid(
            f"{path} cannot be read: {exc}", field=access.CONFIG, fix="run avouch login again"
        ) from exc
    if not isinstance(found, dict) or any(not isinstance(found.get(each, ""), str) for each in _FIELDS):
        raise errors.Invalid(
            f"{path} is not an avouch configuration file", field=access.CONFIG, fix="run avouch login again"
        )
    if found.get("token") and mode & 0o077:
        raise errors.Invalid(f"other users can read the token in {path}", field=access.CONFIG, fix=f"chmod 600 {path}")
    login = access.Login(found.get("server", ""), found.get("token", ""), found.get("ca", ""))
    return access.Stored(login, found.get("namespace", ""))


def write(path: Path, config: access.Stored) -> None:
    """Keep it, whole or not at all.

    Raises:
        Invalid: the file cannot be written.
    """
    said = (config.login.server, config.login.token, config.login.ca, config.namespace)
    body = {name: value for name, value in zip(_FIELDS, said, strict=True) if value}
    temporary = path.with_name(f".{path.name}.{os.urandom(8).hex()}.tmp")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            yaml.safe_dump(body, file, sort_keys=False)
            file.flush()
            os.fsync(descriptor)
        os.replace(temporary, path)
    except OSError as exc:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise errors.Invalid(f"{path} cannot be written: {exc.strerror}", field=access.CONFIG) from exc
