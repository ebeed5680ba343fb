"""The one error tree. `retry` of a class says whether trying again may help.

Adapters translate these to HTTP problems, conditions or exit codes in exactly one table each; no other class
subclasses Exception.
"""

_FIX = " (fix: "


def parted(text: str) -> tuple[str, str]:
    """Message and fix of an error that travelled as a text; the fix is empty if it has none.

    >>> parted(str(Invalid("is empty", field="spec.name", fix="write a name")))
    ('spec.name: is empty', 'write a name')
    """
    message, _, fix = text.partition(_FIX)
    return message, fix.removesuffix(")")


def with_fix(message: str, fix: str) -> str:
    """What `parted` takes apart; the message alone where there is no fix."""
    return f"{message}{_FIX}{fix})" if fix else message


class AvouchError(Exception):
    """Any error that avouch raises itself. The message says what happened, where, and what to do next."""

    retry: bool = False


class Invalid(AvouchError):
    """The input breaks a rule. `field` is the path of the offending field, `fix` the smallest change that fixes it."""

    def __init__(self, message: str, *, field: str = "", fix: str = "") -> None:
        super().__init__(message)
        self.field = field
        self.fix = fix

    def __str__(self) -> str:
        where = f"{self.field}: " if self.field else ""
        return with_fix(f"{where}{super().__str__()}", self.fix)


class TooLarge(Invalid):
    """The input is over a documented limit (bytes, depth or count)."""


class Refused(Invalid):
    """A file or value that cannot be evidence. `cause` is a row of `refusals.CAUSES`."""

    def __init__(self, message: str, cause: str, *, fix: str = "") -> None:
        super().__init__(message, fix=fix)
        self.cause = cause


class Unauthenticated(AvouchError):
    """Not authenticated: no token, a wrong audience, an expired or forged one. The message never says which."""


class Denied(AvouchError):
    """Authenticated, but not allowed. `field` and `fix` say what would allow it, if anything."""

    def __init__(self, message: str, *, field: str = "", fix: str = "") -> None:
        super().__init__(message)
        self.field = field
        self.fix = fix


class NotFound(AvouchError):
    """It does not exist, or this caller may not see it."""


class Conflict(AvouchError):
    """The object exists and differs, or a fenced write came from a controller that lost its Lease."""


class NotVerified(AvouchError):
    """A signature, certificate, identity or statement did not verify. `step` names the failed step and its number."""

    def __init__(self, step: str, reason: str) -> None:
        super().__init__(f"step {step}: {reason}")
        self.step = step
        self.reason = reason


class NotInstalled(AvouchError):
    """A required program or package is not on this machine. `fix` says how to install it."""

    def __init__(self, message: str, *, fix: str) -> None:
        super().__init__(message)
        self.fix = fix


class Unavailable(AvouchError):
    """A dependency (database, API server, artifact store) cannot answer now; trying again may work."""

    retry = True


class TimedOut(Unavailable):
    """The request was accepted but not completed in time. `fix` says where to look."""

    def __init__(self, message: str, *, fix: str) -> None:
        super().__init__(message)
        self.fix = fix


class Locked(Unavailable):
    """Another transaction holds one row of this write for too long; other rows can be written without it."""


class NotReady(Unavailable):
    """A declared object (a CASBackend) cannot be used now. The message names it and is shown to callers."""


class NoSchema(Unavailable):
    """The database has no schema that this version can work with: it is going to be migrated."""


class Overloaded(Unavailable):
    """The server is at its limit. `retry_after` is the number of seconds to wait before the next try."""

    def __init__(self, message: str, *, retry_after: int = 1) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Corrupt(AvouchError):
    """Stored bytes no longer match their digest. They are never served."""
