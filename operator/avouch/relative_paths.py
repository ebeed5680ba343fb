"""Paths of files below a directory, such as a workspace: one rule for the API server, the server and the sidecar.

A path has one spelling, so that what is applied is what is looked for: no `./`, no `..`, no empty part.

>>> parts("reports/junit.xml")
('reports', 'junit.xml')
"""

import re

from avouch import errors

_PART = "([.]?[^./][^/]*|[.][.][^/]+)"  # any name but . and ..; RE2, Python and CEL read it alike
PATTERN = f"^{_PART}(/{_PART})*$"
MESSAGE = "a path must be relative to its directory, without ., .. and empty parts"
FIX = "write it without a leading or trailing /, ./, ../ and //, such as reports/junit.xml"
_FORM = re.compile(PATTERN.removeprefix("^").removesuffix("$"))


def parts(path: str) -> tuple[str, ...]:
    """The parts of a path.

    Raises:
        Invalid: it breaks the rule.
    """
    if not _FORM.fullmatch(path) or "\0" in path:  # no file's name has U+0000
        raise errors.Invalid(f"{path[:200]!r}: {MESSAGE}", fix=FIX)
    return tuple(path.split("/"))
