"""`avouch stand-in`: runs in place of a sidecar whose own image could not be pulled.

In a running pod the image of a container can be changed, but not its command. So this is the default command of
avouch's image: it starts, so that the steps can start, and waits to be stopped.
"""

import signal
import sys

_STOP = (signal.SIGTERM, signal.SIGINT)


def main() -> int:
    """Wait for SIGTERM; a native sidecar that ends by itself would only be started again."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _STOP)
    sys.stderr.write("avouch: running in place of a sidecar; --help lists the other processes\n")
    signal.sigwait(_STOP)
    return 0
