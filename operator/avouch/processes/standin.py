"""`avouch stand-in`: what our image does in a sidecar's place, when the sidecar's own image could not be pulled.

The image of a container is all that can be changed in a running pod, never its command. So this is what our image runs
when nobody tells it what to run: start, so that the steps may, and wait to be stopped.
"""

import signal
import sys

_STOP = (signal.SIGTERM, signal.SIGINT)


def main() -> int:
    """Wait for SIGTERM; a native sidecar that ends by itself would only be started again."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _STOP)
    sys.stderr.write("avouch: standing in for a sidecar; the other processes are listed by --help\n")
    signal.sigwait(_STOP)
    return 0
