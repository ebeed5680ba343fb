"""What a reader process gives up for good before it sees its first document.

It was started with an empty environment and no descriptor but its pipes. Here it gives up every further descriptor,
so every file and every socket; processes of its own; core dumps; memory and CPU time beyond its limits; and, where
the kernel takes the filter, every system call that reading does not need.
"""

import ctypes
import resource
import signal
import sys

from avouch import seccomp
from avouch.reading import wire

_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG


def confine(limits: wire.Limits) -> None:
    """Give it up. What is opened or imported after this fails."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, ctypes.c_ulong(signal.SIGKILL))
    for what, most in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_CPU, limits.life),
        (resource.RLIMIT_AS, limits.memory),
        (resource.RLIMIT_NOFILE, 0),  # no number is free for a new one; those that are open stay usable
    ):
        resource.setrlimit(what, (most, most))
    if seccomp.available():
        seccomp.install()
