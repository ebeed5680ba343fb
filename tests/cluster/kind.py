"""A cluster by kind, where Docker is: written after kind's documentation, never run by its authors."""

from pathlib import Path
from typing import Any

from tests.cluster import images, ocilayout, places, tekton
from tests.cluster.binaries import PROGRAMS, architecture, binary, kubectl, module_folder
from tests.cluster.commands import run
from tests.cluster.progress import say, stage


class KindCluster:
    """Nodes in containers of Docker; Tekton's controllers run inside as pods, from images made here."""

    def __init__(self, name: str) -> None:
        self.name = f"avouch-{name}"
        self.kubeconfig = places.clusters() / f"kind-{name}.kubeconfig"

    def up(self) -> None:
        """Create the cluster and put Tekton into it."""
        if self.name in run("kind", "get", "clusters").split():
            say(f"kind cluster {self.name} is up already")
            return
        say("kind is used because Docker answers; this way is written by the book but not tried")
        self.kubeconfig.parent.mkdir(parents=True, exist_ok=True)
        with stage(f"kind cluster {self.name}"):
            run("kind", "create", "cluster", "--name", self.name, "--kubeconfig", self.kubeconfig, "--wait", "120s")
        with stage("Tekton"):
            for archive in [*images.helpers(), *_controllers()]:
                self.load_image(archive)
            objects = tekton.manifests()
            first = {"Namespace", "CustomResourceDefinition"}
            self._apply([each for each in objects if each["kind"] in first])
            self._apply([each for each in objects if each["kind"] not in first])
            self._apply(_workloads())

    def down(self) -> None:
        """Delete the cluster."""
        run("kind", "delete", "cluster", "--name", self.name, "--kubeconfig", self.kubeconfig)
        self.kubeconfig.unlink(missing_ok=True)

    def status(self) -> list[tuple[str, int | None, bool]]:
        """Whether its API server says that it is ready."""
        answer = run(kubectl(), f"--kubeconfig={self.kubeconfig}", "get", "--raw", "/readyz", tolerate=True)
        return [("API server", None, answer == "ok")]

    def load_image(self, archive: Path) -> None:
        """Make an image archive known to the nodes."""
        run("kind", "load", "image-archive", archive, "--name", self.name)

    def _apply(self, documents: list[dict[str, Any]]) -> None:
        command = (kubectl(), f"--kubeconfig={self.kubeconfig}", "apply", "--server-side", "-f", "-")
        run(*command, stdin=tekton.as_yaml(documents))


def _controllers() -> list[Path]:
    made = []
    for part in ("controller", "webhook"):
        program = f"/ko-app/{part}"
        content = ocilayout.Image(
            images.tekton(part),
            architecture(),
            {program: binary(f"tekton-{part}")},
            entrypoint=(program,),
            user="65532",
        )
        made.append(ocilayout.write(content, images.archive_of(content.name)))
    return made


def _workloads() -> list[dict[str, Any]]:
    """Tekton's own Deployments and Services, with our images in place of references that only its build can resolve."""
    config = module_folder("tekton-controller") / "config"
    text = "---\n".join((config / f"{part}.yaml").read_text(encoding="utf-8") for part in ("controller", "webhook"))
    for part in (name.removeprefix("tekton-") for name in PROGRAMS if name.startswith("tekton-")):
        text = text.replace(f"ko://github.com/tektoncd/pipeline/cmd/{part}", images.tekton(part))
    return tekton.documents(text)
