"""What the worker and a reader process say to each other over two pipes: frames of bounded length.

The worker sends a question, the type's name and the content, the reader answers in JSON; after an answer to SHOW that
says its size comes a document. The worker believes nothing of it: an answer has the fields that `reading.process` reads
and no others, its texts are as short and plain as a reader's own, or the process is ended. Standard library only: the
reader process imports it.
"""

import struct
from typing import NamedTuple

REQUEST = struct.Struct(">BBQ")  # the question, bytes of the type's name, bytes of the content
READ = 0  # what is it, and what can be extracted from it?
SHOW = 1  # what do policies see of it?
LENGTH = struct.Struct(">I")  # bytes of an answer
LONGEST = 256 * 1024  # bytes of an answer: a flaw, a list of tools and a few annotations, all escaped, have less
SHOWN = 64 * 1024 * 1024 + 64  # bytes of a document for policies, with what stands around a list
READY = b"ready"


class Limits(NamedTuple):
    """What one reader process may take."""

    seconds: int = 30  # of CPU for one document; what is longest at a type's limit takes 4 on an idle machine
    life: int = 300  # of CPU for all of them
    memory: int = 1152 * 1024 * 1024  # bytes of address space; the largest real reports take 480 MiB


def framed(answer: bytes) -> bytes:
    """An answer with its length."""
    return LENGTH.pack(len(answer)) + answer
