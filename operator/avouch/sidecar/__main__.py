"""`python -m avouch.sidecar [--step ...]`: wait for the steps at almost no cost, then work, then wait to be stopped.

Everything heavy is imported by `work`, which is loaded only when the last step has ended. The kubelet restarts a native
sidecar that ends by itself and reports one that fails, so this process blocks until SIGTERM and then exits 0.

SIGTERM stays blocked and is taken by sigtimedwait, so it can arrive at any moment without interrupting a push; the
kernel keeps blocked signals even for process 1, which has no default action.
"""

import os
import signal
import sys
import time

from avouch.sidecar import lastword

POLL = 0.1  # seconds; B11 of the measurements: the last step is noticed in 20 ms on average
STOP = (signal.SIGTERM, signal.SIGINT)


def ended(root: str, step: int) -> bool:
    """Whether a step has posted its end: `out`, or `out.err` where it failed or was skipped after a failure."""
    for name in ("out", "out.err"):
        try:
            os.stat(f"{root}/run/{step}/{name}")
        except OSError:
            continue
        return True
    return False


def wait(root: str, steps: int) -> tuple[int, bool]:
    """Wait until every step has ended or SIGTERM comes. Returns (steps ended, told to stop)."""
    running = set(range(steps))
    while running:
        running -= {step for step in running if ended(root, step)}
        if running and signal.sigtimedwait(STOP, POLL) is not None:
            running -= {step for step in running if ended(root, step)}
            return steps - len(running), True
    return steps, False


def work(arguments: list[str], done: int) -> int:
    """Load the rest of the program and run it. Without site-packages (`-S`) they are added first."""
    if sys.flags.no_site:
        import site

        site.main()
    from avouch.sidecar import work as sidecar_work  # lazy: 3 MiB of every pod's memory while its steps run

    return sidecar_work.main(arguments, done)


def watch() -> bool:
    """Wait, then work. Returns whether SIGTERM has come meanwhile."""
    steps = int(os.environ.get("AVOUCH_STEPS") or 0)
    started = time.monotonic()
    _tell(f"waiting for {steps} steps")
    done, stopped = wait(os.environ.get("AVOUCH_TEKTON") or "/tekton", steps)
    _tell(f"{done} of {steps} steps ended after {time.monotonic() - started:.1f} s")
    try:
        if done:
            work([], done)
        else:
            _last_word("the pod was stopped before one of its steps had ended, so nothing was collected")
    except Exception as exc:
        _last_word(f"nothing was attested: {type(exc).__name__}: {exc}")
    return stopped


def main() -> int:
    """The injected sidecar's life, or one explicit attesting step with `--step`."""
    if "--step" in sys.argv[1:]:
        return work(sys.argv[1:], 0)
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP)
    stopped = False
    try:
        stopped = watch()
    except Exception as exc:  # a sidecar that fails would be reported in place of the user's own failure
        _last_word(f"{type(exc).__name__}: {exc}")
    if not stopped:
        signal.sigwait(STOP)
    return 0


def _last_word(sentence: str) -> None:
    _tell(sentence)
    try:
        lastword.leave(sentence)
    except OSError as exc:
        _tell(f"the last word could not be left: {exc}")


def _tell(line: str) -> None:
    print(f"avouch: {line}", file=sys.stderr, flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
