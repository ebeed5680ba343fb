"""Files of this user in places that others may write to: a checkout, a machine's folder for temporary files.

Whoever put a link or a file of theirs where ours is going to be must neither have it written through nor read.
"""

import os
import stat
from pathlib import Path

from avouch import errors

_NEVER_FOLLOW = os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


def opened(path: Path, flags: int, field: str, fix: str = "", mode: int = 0o600) -> int:
    """A descriptor of a regular file of this user, never of what a link leads to.

    Args:
        path: where it is.
        flags: of `os.open`.
        field: what people have to correct.
        fix: another one than to remove what is there.
        mode: permissions of a file that is made; without more, this user's alone.

    Raises:
        FileNotFoundError: it is not there, and `flags` do not make it.
        Invalid: what is there is a link, or no regular file, or somebody else's; or it cannot be opened.
    """
    help_ = fix or "remove it"
    try:
        descriptor = os.open(path, flags | _NEVER_FOLLOW, mode)
    except FileNotFoundError:
        raise
    except OSError as exc:
        raise errors.Invalid(f"{path} cannot be opened: {exc.strerror}", field=field, fix=help_) from exc
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid() or found.st_nlink > 1:
        os.close(descriptor)
        raise errors.Invalid(f"{path} is not a regular file of this user", field=field, fix=help_)
    return descriptor


def folder(path: Path, field: str, fix: str) -> None:
    """Make a folder for this user alone, or be sure that it is one.

    Raises:
        Invalid: it cannot be made, is a link, is somebody else's, or others may write to it.
    """
    try:
        path.mkdir(mode=0o700, exist_ok=True)
        found = path.lstat()
    except OSError as exc:
        raise errors.Invalid(f"{path} cannot be made: {exc.strerror}", field=field, fix=fix) from exc
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
        raise errors.Invalid(f"{path} is not a folder of this user alone", field=field, fix=fix)
