"""The programs of a cluster, compiled from their Go modules at the versions that `tools/*/go.mod` pins.

A binary is cached under its name, version and platform and built only when it is missing. The first build of everything
takes about ten minutes on two cores; after that a lookup costs nothing.
"""

import fcntl
import functools
import os
import platform
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.cluster import places
from tests.cluster.errors import ClusterError, Impossible
from tests.cluster.progress import stage

_KUBERNETES = "k8s.io/kubernetes"
_TEKTON = "github.com/tektoncd/pipeline"
_REGISTRY = "github.com/google/go-containerregistry"
_OPA = "github.com/open-policy-agent/opa"
_SHIPPED = "../../../requirements/opa"  # not a tool of the tests: our image holds it
_VERSITYGW = "github.com/versity/versitygw"


@dataclass(frozen=True)
class Program:
    """One binary: which package of which module it is compiled from."""

    family: str
    """Folder under `tools/` whose go.mod and go.sum pin the module and all it needs."""
    module: str
    package: str

    @property
    def version(self) -> str:
        """The module's version, read from the family's go.mod: written in one place only."""
        text = (places.HERE / "tools" / self.family / "go.mod").read_text(encoding="utf-8")
        found = re.search(rf"^\s*(?:require )?{re.escape(self.module)} (v\S+)(?: // indirect)?$", text, re.MULTILINE)
        if not found:
            raise ClusterError(f"tools/{self.family}/go.mod requires no {self.module}")
        return found[1]


def _kubernetes(name: str) -> Program:
    return Program("kubernetes", _KUBERNETES, f"{_KUBERNETES}/cmd/{name}")


def _tekton(name: str) -> Program:
    return Program("tekton", _TEKTON, f"{_TEKTON}/cmd/{name}")


PROGRAMS = {
    "etcd": Program("etcd", "go.etcd.io/etcd/server/v3", "go.etcd.io/etcd/server/v3"),
    "kube-apiserver": _kubernetes("kube-apiserver"),
    "kubectl": _kubernetes("kubectl"),
    "kubelet": _kubernetes("kubelet"),
    "kube-controller-manager": _kubernetes("kube-controller-manager"),
    "kube-scheduler": _kubernetes("kube-scheduler"),
    "kube-proxy": _kubernetes("kube-proxy"),
    "tekton-controller": _tekton("controller"),
    "tekton-webhook": _tekton("webhook"),
    "tekton-resolvers": _tekton("resolvers"),
    "tekton-entrypoint": _tekton("entrypoint"),
    "tekton-nop": _tekton("nop"),
    "tekton-workingdirinit": _tekton("workingdirinit"),
    "tekton-sidecarlogresults": _tekton("sidecarlogresults"),
    "coredns": Program("coredns", "github.com/coredns/coredns", "github.com/coredns/coredns"),
    "helm": Program("helm", "helm.sh/helm/v3", "helm.sh/helm/v3/cmd/helm"),
    "crane": Program("registry", _REGISTRY, f"{_REGISTRY}/cmd/crane"),
    "registry": Program("registry", _REGISTRY, f"{_REGISTRY}/cmd/registry"),
    "versitygw": Program("versitygw", _VERSITYGW, f"{_VERSITYGW}/cmd/versitygw"),
    "registry-with-referrers": Program("registry", _REGISTRY, "./referrers"),
    "opa": Program(_SHIPPED, _OPA, _OPA),
}
"""In the order in which a cold machine should build them: the API server is wanted first."""


def binary(name: str) -> Path:
    """Path of a program, compiled now if this machine has not done so before."""
    program = PROGRAMS[name]
    target = places.cache() / "bin" / f"{name}-{program.version}-{_platform()}"
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        with (target.parent / f".{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not target.exists():
                with stage(f"compile {name} {program.version} from its Go module"):
                    _compile(program, target)
    return target


def kubectl() -> Path:
    """The machine's own kubectl where it has one, else one compiled like all the rest."""
    found = shutil.which("kubectl")
    return Path(found) if found else binary("kubectl")


@functools.cache
def module_folder(name: str) -> Path:
    """Unpacked sources of a program's module: its manifests are applied from there, never copied to this repository."""
    program = PROGRAMS[name]
    return sources(program.family, program.module)


@functools.cache
def sources(family: str, module: str) -> Path:
    """Unpacked sources of a module that `tools/FAMILY/go.mod` pins, for its manifests alone."""
    _go(family, "mod", "download", module)
    return Path(_go(family, "list", "-m", "-f", "{{.Dir}}", module).strip())


def _compile(program: Program, target: Path) -> None:
    unfinished = target.with_name(f".{target.name}.{os.getpid()}")
    flags = "-s -w"
    if program.family == "kubernetes":
        flags += _version_flags(program.version)
    _go(program.family, "build", "-trimpath", "-ldflags", flags, "-o", str(unfinished), program.package)
    unfinished.rename(target)


def _version_flags(version: str) -> str:
    """Without these Kubernetes calls itself v0.0.0-master, and clients complain about the skew."""
    major, minor, _ = version.removeprefix("v").split(".")
    return "".join(
        f" -X {package}.gitVersion={version} -X {package}.gitMajor={major} -X {package}.gitMinor={minor}"
        for package in ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    )


def _go(family: str, *arguments: str) -> str:
    go = shutil.which("go")
    if go is None:
        raise Impossible("the Go toolchain (1.26 or newer) is missing: it compiles the cluster's programs")
    done = subprocess.run(
        [go, *arguments],
        cwd=places.HERE / "tools" / family,
        env=os.environ | {"CGO_ENABLED": "0", "GOFLAGS": "-buildvcs=false -mod=readonly", "GOWORK": "off"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise ClusterError(f"go {' '.join(arguments[:2])} failed in tools/{family}:\n{done.stderr[-3000:]}")
    return done.stdout


def _platform() -> str:
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    return f"{platform.system().lower()}-{machine}"


def architecture() -> str:
    """This machine's architecture in the words of image manifests."""
    return _platform().partition("-")[2]
