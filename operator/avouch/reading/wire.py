"""What the worker and a reader process say to each other over two pipes: frames of bounded length.

The worker sends the type's name and the content, the reader answers in JSON. The worker believes nothing of it: an
answer has the fields that `reading.process` reads and no others, its texts are as short and plain as a reader's own, or
the process is ended. Standard library only: the reader process imports it.
"""

import struct
from typing import NamedTuple

REQUEST = struct.Struct(">BQ")  # bytes of the type's name, bytes of the content
LENGTH = struct.Struct(">I")  # bytes of an answer
LONGEST = 256 * 1024  # bytes of an answer: a flaw, a list of tools and a few annotations, all escaped, have less
READY = b"ready"


class Limits(NamedTuple):
    """What one reader process may take."""

    seconds: int = 30  # of CPU for one document; what is longest at a type's limit takes 4 on an idle machine
    life: int = 300  # of CPU for all of them
    memory: int = 1152 * 1024 * 1024  # bytes of address space; the largest real reports take 480 MiB


def framed(answer: bytes) -> bytes:
    """An answer with its length."""
    return LENGTH.pack(len(answer)) + answer
