"""URIs of avouch's own objects in signed documents: `avouch://<namespace>/<kind>/<name>?namespaceUid=<uid>`.

The name of a namespace may be used again, by somebody else; its UID never is. The UID is part of the URI, not a field
beside it, because whoever checks a verification summary compares `resourceUri` as a whole with what they expect: then
the verdicts of a namespace made anew are about another resource, without anybody having to know of a field of ours.
"""

import re
from typing import NamedTuple

SCHEME = "avouch"
_FORM = re.compile(rf"{SCHEME}://([^/?#]+)/([a-z]+)/([^/?#]+)(?:\?namespaceUid=([^/?#&]+))?", re.ASCII)


class Named(NamedTuple):
    """An object of a namespace; `namespace_uid` is empty where it was not recorded."""

    namespace: str
    kind: str  # workflows | contracts
    name: str
    namespace_uid: str = ""

    def __str__(self) -> str:
        """The URI.

        >>> str(Named("shop", "workflows", "release", "1-2"))
        'avouch://shop/workflows/release?namespaceUid=1-2'
        """
        uid = f"?namespaceUid={self.namespace_uid}" if self.namespace_uid else ""
        return f"{SCHEME}://{self.namespace}/{self.kind}/{self.name}{uid}"


def parse(uri: str) -> Named | None:
    """The object that a URI names, or None for any other URI.

    >>> parse("avouch://home/contracts/evidence@3?namespaceUid=1-2")
    Named(namespace='home', kind='contracts', name='evidence@3', namespace_uid='1-2')
    >>> parse("https://shop/workflows/release")
    """
    found = _FORM.fullmatch(uri)
    return Named(found[1], found[2], found[3], found[4] or "") if found else None
