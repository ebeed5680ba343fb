"""Earlier revisions of contracts."""

from avouch import errors
from avouch.cli import ports


class _Unread:
    """No API hands out earlier revisions yet; the newest is in the object itself, so it never comes here."""

    def canonical(self, namespace: str, name: str, number: int) -> bytes:
        """Say so."""
        message = f"revision {number} of contract {namespace}/{name} is kept, but this avouch cannot read it back"
        raise errors.NotInstalled(message, fix="ask for the newest revision; older ones need a newer avouch")


def build(options: ports.Options) -> ports.Revisions:
    """Revisions, as far as they can be read."""
    return _Unread()
