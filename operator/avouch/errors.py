"""The one error tree. Each family says whether trying again may help (`retry`).

Doors translate these to HTTP problems, conditions or exit codes in exactly one table each; nothing else subclasses
Exception.
"""


class AvouchError(Exception):
    """Any failure that avouch names itself. The message says what, where and what to do next."""

    retry: bool = False


class Invalid(AvouchError):
    """The input breaks a rule. `field` is the path of the offending field, `fix` the smallest change that mends it."""

    def __init__(self, message: str, *, field: str = "", fix: str = "") -> None:
        super().__init__(message)
        self.field = field
        self.fix = fix

    def __str__(self) -> str:
        where = f"{self.field}: " if self.field else ""
        fix = f" (fix: {self.fix})" if self.fix else ""
        return f"{where}{super().__str__()}{fix}"


class TooLarge(Invalid):
    """The input is over a stated limit (bytes, depth or count)."""


class Unauthenticated(AvouchError):
    """Nobody we know: no token, a wrong audience, an expired or forged one. The message never says which."""


class Denied(AvouchError):
    """Known, but may not do this. `field` and `fix` say what would allow it, where anything could."""

    def __init__(self, message: str, *, field: str = "", fix: str = "") -> None:
        super().__init__(message)
        self.field = field
        self.fix = fix


class NotFound(AvouchError):
    """No such thing, or none that this caller may see."""


class Conflict(AvouchError):
    """The thing exists and differs, or a fenced write came from a controller that lost its Lease."""


class NotVerified(AvouchError):
    """A signature, certificate, identity or statement did not verify. `step` names the failed step and its number."""

    def __init__(self, step: str, reason: str) -> None:
        super().__init__(f"step {step}: {reason}")
        self.step = step
        self.reason = reason


class NotInstalled(AvouchError):
    """A program or package that this needs is not on this machine. `fix` says how to get it."""

    def __init__(self, message: str, *, fix: str) -> None:
        super().__init__(message)
        self.fix = fix


class Unavailable(AvouchError):
    """A dependency (database, API server, artifact store) cannot answer now; trying again may work."""

    retry = True


class TimedOut(Unavailable):
    """What was asked for was accepted, and did not happen in time. `fix` says where to look."""

    def __init__(self, message: str, *, fix: str) -> None:
        super().__init__(message)
        self.fix = fix


class NotReady(Unavailable):
    """Something that was declared (a CASBackend) cannot be used now. The message names it and is shown to callers."""


class Overloaded(Unavailable):
    """We are full. `retry_after` is the number of seconds to wait before the next try."""

    def __init__(self, message: str, *, retry_after: int = 1) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Corrupt(AvouchError):
    """Stored bytes no longer match their digest. They are never served."""
