"""What was scanned, in Chainloop's words, from the names of Checkmarx' engines."""

from collections.abc import Iterable

from avouch.materials.readers import document

KEY = f"{document.PREFIX}scan.types"
_TYPES = {"sast": "sast", "sca": "sca", "kics": "iac", "containers": "container", "sscs": "supply-chain"}


def of(engines: Iterable[str]) -> str:
    """The types, sorted and joined by commas; unknown engines are left out.

    >>> of(["sca", "KICS", "sca ", "other"])
    'iac,sca'
    """
    return ",".join(sorted({_TYPES[name] for each in engines if (name := each.strip().lower()) in _TYPES}))
