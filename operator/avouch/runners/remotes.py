"""Addresses of git remotes for attestations: never with a user's password or token."""

import re
from urllib.parse import SplitResult, urlsplit, urlunsplit

from avouch.runners import credentials

_LIMIT = 2048  # characters
_PLAIN = re.compile(r"[^\s\x00-\x20\x7f\\]{1,2048}")
_SCP = re.compile(r"(?:(?P<user>[^@/:]+)@)?(?P<host>[^@/:]+):(?P<path>[^:@]+)")
_HELPER = re.compile(r"[A-Za-z0-9+.-]+::")  # git's transport helpers; what follows is for them alone to read
_DRIVE = re.compile(r"[A-Za-z]:[/\\]")


def clean_remote(url: str) -> str:
    """The address of a remote without credentials; empty if no part of it is safe to show.

    User, password, query and fragment of a URL are removed. `git@host:path` is kept, because git is everybody's user
    there, and so is a path. An ambiguous address is left out.

    >>> clean_remote("https://x-access-token:abc@git.example/acme/app.git")
    'https://git.example/acme/app.git'
    >>> clean_remote("git@git.example:acme/app.git")
    'git@git.example:acme/app.git'
    """
    text = url.strip()
    if not _PLAIN.fullmatch(text) or _HELPER.match(text):
        return ""
    if "://" in text:
        cleaned = _without_user(text)
    else:
        cleaned = _without_scheme(text)
    return "" if credentials.in_text(cleaned) else cleaned


def _without_user(url: str) -> str:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return ""
    if not parts.scheme or _doubtful(parts, port) or len(url) > _LIMIT:
        return ""
    address = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, address, parts.path, "", "")) if host or parts.scheme == "file" else ""


def _doubtful(parts: SplitResult, port: int | None) -> bool:
    """An unescaped / ? or # in a password moves the rest of it, up to the @, behind the host."""
    return "@" in parts.query + parts.fragment or (port is not None and "@" in parts.path)


def _without_scheme(text: str) -> str:
    found = _SCP.fullmatch(text)
    if found is None or _DRIVE.match(text):
        return "" if "@" in text else text  # a path
    user = "git@" if found["user"] == "git" else ""
    return f"{user}{found['host']}:{found['path']}"
