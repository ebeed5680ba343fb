"""`inspect`, loaded when somebody needs it: 6 ms that a command spares.

click imports it and asks it for one thing each time, which is to clean the help of an option. For help of one line that
is done here; whatever else is asked for loads the module, which then takes its place again.
"""

import sys
import types
from typing import Any

_NAME = "inspect"


def install() -> None:
    """Stand in for `inspect`, unless it is loaded already."""
    sys.modules.setdefault(_NAME, _Late(_NAME))


class _Late(types.ModuleType):
    """What stands in for it."""

    def cleandoc(self, text: str) -> str:
        """A text without its indentation."""
        if "\n" in text or "\t" in text:
            return str(_loaded().cleandoc(text))
        return text.lstrip()

    def __getattr__(self, name: str) -> Any:
        return getattr(_loaded(), name)


def _loaded() -> Any:
    if isinstance(sys.modules.get(_NAME), _Late):
        del sys.modules[_NAME]
    import inspect  # lazy: 6 ms

    return inspect
