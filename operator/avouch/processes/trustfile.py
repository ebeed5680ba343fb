"""The trust root that the controller keeps in a ConfigMap, as it is mounted."""

from pathlib import Path

from avouch import errors
from avouch.attestation import trustroot
from avouch.processes import keyfiles


class TrustFile:
    """The document of now; read again when the file changes."""

    def __init__(self, path: Path) -> None:
        self._kept = keyfiles.FileCache(lambda: [path], lambda read: trustroot.Document.parse(read[0]))

    def __call__(self) -> trustroot.Document:
        """The trust root. Raises errors.NotReady where the controller has not written it yet."""
        try:
            return self._kept.get()
        except FileNotFoundError as exc:
            raise errors.NotReady("the trust root is not there yet: the controller writes it, try again") from exc
