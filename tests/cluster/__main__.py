"""`python -m tests.cluster up|down|status|build|apiserver|install`: a cluster from the command line."""

import argparse
import contextlib
import shutil
import signal
import sys

from tests.cluster import images, packages, places
from tests.cluster.apiserver import ApiServer
from tests.cluster.binaries import PROGRAMS, binary
from tests.cluster.choice import choose
from tests.cluster.errors import exit_code

_FAILED = 1


def main() -> int:
    """Do what the command line says; 0 done, 1 failed, 3 not possible on this machine."""
    parser = argparse.ArgumentParser(prog="python -m tests.cluster", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, text in (
        ("up", "start a whole cluster with Tekton, or say that it is up"),
        ("down", "stop it and leave nothing behind"),
        ("status", "show every process of it"),
    ):
        command = commands.add_parser(name, help=text)
        command.add_argument("--name", default="dev", help="name of the cluster (default: %(default)s)")
    command = commands.add_parser("image", help="build our own images from the Dockerfile into build/images")
    command.add_argument("--tag", default="dev", help="tag of the images (default: %(default)s)")
    commands.add_parser("build", help="compile all programs that are not in the cache")
    commands.add_parser("install", help="install the Debian packages that a node needs")
    commands.add_parser("apiserver", help="run an API server without a node until interrupted")
    arguments = parser.parse_args()
    return exit_code(lambda: _run(arguments))


def _run(arguments: argparse.Namespace) -> int:
    match arguments.command:
        case "up" | "down" | "status":
            return _of_cluster(arguments.command, arguments.name)
        case "build":
            for name in PROGRAMS:
                print(binary(name))
        case "install":
            packages.ensure()
        case "apiserver":
            _serve()
        case "image":
            _build_images(arguments.tag)
    return 0


def _of_cluster(command: str, name: str) -> int:
    cluster = choose(name)
    match command:
        case "up":
            cluster.up()
            print(f"export KUBECONFIG={cluster.kubeconfig}")
        case "down":
            cluster.down()
        case "status":
            return _status(cluster.status())
    return 0


def _status(rows: list[tuple[str, int | None, bool]]) -> int:
    for process, pid, healthy in rows:
        print(
            f"{process:<26}{pid or '-':>8}  {'healthy' if healthy else 'NOT RUNNING' if pid is None else 'NOT HEALTHY'}"
        )
    return 0 if all(healthy for _, _, healthy in rows) else _FAILED


def _build_images(tag: str) -> None:
    """Build every image of the repository's Dockerfile; `make wheelhouse` has put the wheels beside it."""
    packages.ensure()
    context, target = places.REPOSITORY / "build", places.REPOSITORY / "build/images"
    target.mkdir(parents=True, exist_ok=True)
    for stage, name in (("avouch", "avouch"), ("sidecar", "avouch-sidecar")):
        archive = images.build(context, places.REPOSITORY / "Dockerfile", f"localhost/{name}:{tag}", stage)
        print(shutil.copy(archive, target / f"{name}.tar"))


def _serve() -> None:
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with contextlib.suppress(KeyboardInterrupt), ApiServer() as api:
        print(f"export KUBECONFIG={api.kubeconfig}", flush=True)
        signal.pause()


if __name__ == "__main__":
    sys.exit(main())
