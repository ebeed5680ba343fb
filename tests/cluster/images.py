"""Images of the cluster: helpers from single static binaries, a Debian base, and builds from real Dockerfiles.

No registry is asked for anything. Base and builds use buildah's own storage on this machine; what an image needs beyond
the base (a folder of wheels, a binary) the caller puts into the build context.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.cluster import ocilayout, places
from tests.cluster.binaries import PROGRAMS, architecture, binary
from tests.cluster.commands import run
from tests.cluster.errors import ClusterError
from tests.cluster.progress import stage

BASE = "localhost/avouch-base:1"
"""Debian 12 with Python and certificates: what a Dockerfile of ours takes as `--build-arg BASE=`."""

SHELL = "localhost/busybox:1"
PAUSE = "localhost/pause:1"
COREDNS = f"localhost/coredns:{PROGRAMS['coredns'].version}"
REGISTRY = f"localhost/registry:{PROGRAMS['registry'].version}"

_SUITE = "bookworm"
_PACKAGES = "python3-minimal,libpython3-stdlib,ca-certificates"
_KEPT_LAYERS = 12  # images without a name, each the result of a step of some Dockerfile
_APPLETS = (
    "ash base64 basename cat chmod chown cp cut date dirname du echo env expr false find grep gunzip gzip head "
    "hostname id ln ls mkdir mktemp mv nc nslookup od printf ps pwd readlink realpath rm rmdir sed seq sh "
    "sha256sum sleep sort stat sync tail tar tee test timeout touch tr true uname uniq vi wc wget which xargs"
)


def tekton(helper: str) -> str:
    """Name of the image of one of Tekton's helpers, for example `entrypoint`."""
    program = PROGRAMS[f"tekton-{helper}"]
    return f"localhost/tekton-{helper}:{program.version}"


def helpers() -> list[Path]:
    """Archives of all images that the cluster itself runs, written now where they are missing."""
    busybox = Path(shutil.which("busybox") or "/bin/busybox")
    applets = {f"/bin/{applet}": "busybox" for applet in _APPLETS.split()}
    shell = {"programs": {"/bin/busybox": busybox}, "links": applets, "folders": ("/tmp",)}  # noqa: S108
    made = [
        _image(SHELL, **shell),
        _image(PAUSE, **shell, entrypoint=("/bin/sleep", "2147483647")),
        _image(COREDNS, programs={"/coredns": binary("coredns")}, entrypoint=("/coredns",)),
        _image(
            REGISTRY,
            programs={
                "/crane": binary("crane")
            },  # its registry listens on all addresses, that of `registry` on loopback
            entrypoint=("/crane", "registry", "serve"),
            environment={"PORT": "5000"},
        ),
    ]
    for helper in ("entrypoint", "nop", "workingdirinit", "sidecarlogresults"):
        program = f"/ko-app/{helper}"
        made.append(_image(tekton(helper), programs={program: binary(f"tekton-{helper}")}, entrypoint=(program,)))
    return made


def ensure_base() -> str:
    """Make the Debian base image once, from Debian's packages, and return its name."""
    if _buildah("images", "--quiet", BASE, tolerate=True).strip():
        return BASE
    tree = places.cache() / "images" / f"{_SUITE}-{architecture()}.tar"
    tree.parent.mkdir(parents=True, exist_ok=True)
    if not tree.exists():
        with stage(f"make a Debian {_SUITE} root file system"):
            unfinished = tree.with_name(f".{tree.name}")
            run("mmdebstrap", "--variant=minbase", f"--include={_PACKAGES}", *_SLIM, _SUITE, unfinished)
            unfinished.rename(tree)
    with stage(f"import {BASE}"):
        container = _buildah("from", "scratch").strip()
        try:
            _buildah("add", container, str(tree), "/")
            _buildah("config", "--cmd", "/bin/bash", "--env", "LANG=C.UTF-8", container)
            _buildah("commit", "--quiet", container, BASE)
        finally:
            _buildah("rm", container)
    return BASE


_SLIM = (
    "--dpkgopt=path-exclude=/usr/share/man/*",
    "--dpkgopt=path-exclude=/usr/share/locale/*",
    "--dpkgopt=path-exclude=/usr/share/doc/*",
    "--dpkgopt=path-include=/usr/share/doc/*/copyright",
    "--customize-hook=rm -rf $1/var/lib/apt/lists/* $1/var/cache/apt/* $1/var/log/*",
    "--customize-hook=ln -sf python3 $1/usr/bin/python",
)


def build(
    context: Path,
    dockerfile: Path,
    tag: str,
    target: str | None = None,
    build_args: Mapping[str, str] | None = None,
) -> Path:
    """Build a Dockerfile with `context` as its build context; returns the image's OCI archive.

    `tag` is the full name with a tag, for example `localhost/avouch:dev`. `BASE` is always given as a build argument
    besides `build_args`. Steps run in a chroot with the machine's own network, as its root: build only what you trust.
    """
    arguments = {"BASE": ensure_base()} | dict(build_args or {})
    flags = [word for key, value in arguments.items() for word in ("--build-arg", f"{key}={value}")]
    if target:
        flags += ["--target", target]
    archive = archive_of(tag)
    with stage(f"build {tag} from {dockerfile.name}"), _one_build_at_a_time():
        _buildah("build", "--isolation", "chroot", "--pull=never", "--layers", "-t", tag, *flags,
                 "-f", str(dockerfile), str(context))  # fmt: skip
        archive.unlink(missing_ok=True)
        _buildah("push", "--quiet", tag, f"oci-archive:{archive}:{tag}")
        _buildah("rmi", tag, tolerate=True)  # the archive is what is wanted; the storage only speeds up the next build
        if len(_buildah("images", "--quiet", "--filter", "dangling=true").split()) > _KEPT_LAYERS:
            _buildah("rmi", "--prune", tolerate=True)
    return ocilayout.rename(archive, tag)


@contextmanager
def _one_build_at_a_time() -> Iterator[None]:
    """A build must not lose its steps to another one that tidies up."""
    with (places.cache() / "images/.build.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def archive_of(name: str) -> Path:
    """File in which the archive of an image is kept."""
    folder = places.cache() / "images"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{name.replace('/', '_').replace(':', '_')}-{architecture()}.tar"


def _image(name: str, **content: object) -> Path:
    archive = archive_of(name)
    image = ocilayout.Image(name, architecture(), **content)  # type: ignore[arg-type]
    sizes = [file.stat().st_size for file in image.programs.values()]
    made_from = hashlib.sha256(f"{image} {sizes}".encode()).hexdigest()
    stamp = archive.with_suffix(".helper")
    if not (archive.exists() and stamp.exists() and stamp.read_text(encoding="utf-8") == made_from):
        ocilayout.write(image, archive)
        stamp.write_text(made_from, encoding="utf-8")
    return archive


def _buildah(*arguments: str, tolerate: bool = False) -> str:
    """Run buildah with our storage; a chroot build needs no daemon, no systemd and no registry."""
    with tempfile.TemporaryDirectory(prefix="avouch-buildah-") as scratch:
        policy = Path(scratch, "policy.json")
        policy.write_text('{"default": [{"type": "insecureAcceptAnything"}]}', encoding="utf-8")
        known = [] if arguments[0] not in ("build", "push") else ["--signature-policy", str(policy)]
        environment = os.environ | {"STORAGE_DRIVER": _driver(), "BUILDAH_ISOLATION": "chroot"}
        command = ["buildah", arguments[0], *known, *arguments[1:]]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, errors="replace")
    if done.returncode and not tolerate:
        raise ClusterError(f"buildah {arguments[0]} failed:\n{(done.stdout + done.stderr)[-3000:]}")
    return done.stdout


def _driver() -> str:
    """Overlay where the file system below can carry one, else plain copies."""
    below = run("stat", "--file-system", "--format=%T", "/var/lib")
    return "vfs" if "overlay" in below else "overlay"
