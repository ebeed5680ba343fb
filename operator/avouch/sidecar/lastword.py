"""The sidecar's last word: what its container leaves in the pod's status, which outlives the pod's log.

The kubelet copies the file when the container ends and cuts it to the container's share of 12 KiB, so a sentence for
people comes first and the digests follow, one a line. It is no evidence: nothing is signed.
Written over and over, because a container that is killed says what it said before. Standard library only.
"""

import os
from collections.abc import Sequence

PATH = "/dev/termination-log"
MOST = 1000  # bytes; a pod of 12 containers has 1,024 for each


def text(sentence: str, digests: Sequence[str] = ()) -> str:
    r"""The sentence in one line, then what was signed, as far as it fits.

    >>> text("stored", ["sbom sha256:1"])
    'stored\nsbom sha256:1'
    """
    lines = [" ".join(sentence.split()), *digests]
    return "\n".join(lines).encode(errors="replace")[:MOST].decode(errors="ignore")


def leave(sentence: str, digests: Sequence[str] = ()) -> None:
    """Leave it. Raises OSError where the kubelet gave no file to write to."""
    with open(os.environ.get("AVOUCH_LAST_WORD") or PATH, "w", encoding="utf-8") as file:
        file.write(text(sentence, digests))
