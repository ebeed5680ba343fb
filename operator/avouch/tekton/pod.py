"""The pod of a TaskRun, read from the pod itself: its steps in order, their mounts, and reasons not to inject.

Layout: tektoncd/pipeline pkg/pod/pod.go and pkg/pod/entrypoint.go. A pod that differs is refused by name, since an
injection into an unknown shape could break the build.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from avouch import errors, names, storable
from avouch.tekton import labels, objects, termination

SIDECAR = names.SIDECAR
RESULTS = "tekton-internal-results"
STEPS = "tekton-internal-steps"
ARTIFACTS = "tekton-internal-artifacts"
RUN = "tekton-internal-run-"
WORKSPACE = "ws-"
GRACE = 30  # seconds; Kubernetes' default of terminationGracePeriodSeconds
MAX_WORD = 1024  # bytes of a last word: the container belongs to a pod that others may write to
NO_IMAGE = frozenset({"ImagePullBackOff", "ErrImagePull", "InvalidImageName", "ErrImageNeverPull"})
_STEP = "step-"
_LOGS = "sidecar-tekton-log-results"
_POST = re.compile(r"/tekton/run/([0-9]{1,4})/out", re.ASCII)


class Reason(StrEnum):
    """Why a pod is not changed. Users see each as a warning, an Event or a finding."""

    NOT_OWNED = "NotOwnedByTaskRun"
    ALREADY = "AlreadyInjected"
    WINDOWS = "Windows"
    NO_STEPS = "NoSteps"
    SHAPE = "UnexpectedShape"
    VOLUME = "VolumeNameTaken"
    TOO_LARGE = "PlanTooLarge"
    NO_WORKFLOW = "NoWorkflow"
    NEVER = "InjectNever"
    RESULTS = "ResultRoom"
    NOT_NEEDED = "NotNeeded"
    QUOTA = "ResourceQuota"
    LIMITS = "LimitRange"
    POD_RESOURCES = "PodResources"
    POLICY = "PolicyRefuses"
    GONE = "TaskRunGone"


@dataclass(frozen=True, slots=True)
class Refusal:
    """The reason why a pod is not changed."""

    reason: Reason
    message: str


@dataclass(frozen=True, slots=True)
class Step:
    """One step. `results` are the names that its entrypoint will report, its own and those of the Task."""

    index: int
    name: str
    results: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Mount:
    """One mount of a step container."""

    volume: str
    path: str
    sub_path: str = ""


@dataclass(frozen=True, slots=True)
class Shape:
    """What injection needs to know of a pod. `kinds` is volume name -> its source's field name, e.g. emptyDir."""

    owner: labels.Owner
    steps: tuple[Step, ...]
    mounts: tuple[Mount, ...]  # of all steps, without repeats
    kinds: Mapping[str, str]
    claims: Mapping[str, str]  # volume name -> PersistentVolumeClaim
    taken: frozenset[str]  # volume names that exist or are referred to
    has_init: bool
    has_volumes: bool
    containers: int  # with init containers
    results_logged: bool  # Tekton reads results from a log, not from termination messages
    grace: int = GRACE  # seconds between SIGTERM and SIGKILL
    cluster_dns: bool = True  # names of Services resolve in it
    projected: Mapping[str, frozenset[str]] = field(default_factory=dict)  # volume name -> fields of its sources
    user: int = 0  # that all steps run as, if the sidecar may be it; else 0
    group: int = 0  # likewise

    @property
    def results(self) -> frozenset[str]:
        """Names of the results that steps report in their termination messages."""
        return frozenset() if self.results_logged else frozenset(name for step in self.steps for name in step.results)

    def mount_of(self, volume: str) -> Mount | None:
        """The mount of a volume that all steps mount at the same path."""
        found = [mount for mount in self.mounts if mount.volume == volume]
        return found[0] if len(found) == 1 else None

    def workspaces(self) -> tuple[Mount, ...]:
        """Mounts of workspace volumes."""
        return tuple(mount for mount in self.mounts if mount.volume.startswith(WORKSPACE))


def read(pod: Mapping[str, Any]) -> Shape | Refusal:
    """The shape of a TaskRun's pod, or why it must not be changed."""
    owner = labels.controller(pod, "TaskRun")
    if owner is None:
        return Refusal(Reason.NOT_OWNED, "no TaskRun controls this pod")
    if _has_sidecar(pod):
        return Refusal(Reason.ALREADY, f"the pod already has a container {SIDECAR}")
    if _windows(pod):
        return Refusal(Reason.WINDOWS, "Windows nodes are not supported")
    containers = _steps(pod)
    if not containers:
        return Refusal(Reason.NO_STEPS, "the pod has no step container")
    shape = _shape(pod, owner, containers)
    return _misshapen(containers, shape) or shape


def _has_sidecar(pod: Mapping[str, Any]) -> bool:
    every = objects.mappings(pod, "spec", "containers") + objects.mappings(pod, "spec", "initContainers")
    return any(container.get("name") == SIDECAR for container in every)


def _windows(pod: Mapping[str, Any]) -> bool:
    selected = objects.text(pod, "spec", "nodeSelector", "kubernetes.io/os")
    return "windows" in (selected, objects.text(pod, "spec", "os", "name"))


def _steps(pod: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    return tuple(c for c in objects.mappings(pod, "spec", "containers") if objects.text(c, "name").startswith(_STEP))


def _shape(pod: Mapping[str, Any], owner: labels.Owner, containers: tuple[Mapping[str, Any], ...]) -> Shape:
    volumes = objects.mappings(pod, "spec", "volumes")
    every = objects.mappings(pod, "spec", "containers") + objects.mappings(pod, "spec", "initContainers")
    referred = {objects.text(m, "name") for c in every for m in objects.mappings(c, "volumeMounts")}
    referred |= {objects.text(d, "name") for c in every for d in objects.mappings(c, "volumeDevices")}
    return Shape(
        owner=owner,
        steps=tuple(_step(i, container) for i, container in enumerate(containers)),
        mounts=tuple(dict.fromkeys(_mount(m) for c in containers for m in objects.mappings(c, "volumeMounts"))),
        kinds={objects.text(v, "name"): next((k for k in v if k != "name"), "") for v in volumes},
        claims={
            objects.text(v, "name"): objects.text(v, "persistentVolumeClaim", "claimName")
            for v in volumes
            if "persistentVolumeClaim" in v
        },
        taken=frozenset(referred | {objects.text(v, "name") for v in volumes}),
        has_init=bool(objects.mappings(pod, "spec", "initContainers")),
        has_volumes=bool(volumes),
        containers=len(every),
        results_logged=any(objects.text(c, "name") == _LOGS for c in every),
        grace=_grace(pod),
        cluster_dns=_cluster_dns(pod),
        user=_shared(pod, containers, "runAsUser"),
        group=_shared(pod, containers, "runAsGroup"),
        projected={
            objects.text(v, "name"): frozenset(key for s in objects.mappings(v, "projected", "sources") for key in s)
            for v in volumes
        },
    )


def _shared(pod: Mapping[str, Any], containers: Sequence[Mapping[str, Any]], name: str) -> int:
    """The user or group that all steps run as by number, and that the sidecar may run as, too; else 0.

    Never root. And only where no container sees another one's processes: of an equal user Linux lets a process read
    memory and files of another (ptrace(2), /proc/PID/root), and with them our token and key. Containers of a pod have
    process ids of their own unless the pod says otherwise, or somebody has the node's /proc.
    """
    spec = objects.mapping(pod, "spec")
    shared = spec.get("shareProcessNamespace") is True or spec.get("hostPID") is True
    if shared or any("hostPath" in volume for volume in objects.mappings(pod, "spec", "volumes")):
        return 0
    whole = objects.mapping(pod, "spec", "securityContext").get(name)
    found = {objects.mapping(each, "securityContext").get(name, whole) for each in containers}
    one = found.pop() if len(found) == 1 else None
    return one if isinstance(one, int) and not isinstance(one, bool) and one > 0 else 0


def _cluster_dns(pod: Mapping[str, Any]) -> bool:
    """ClusterFirst, the default, means the node's DNS in a pod on the node's network (k8s docs: Pod's DNS Policy)."""
    policy = objects.text(pod, "spec", "dnsPolicy") or "ClusterFirst"
    on_node = objects.mapping(pod, "spec").get("hostNetwork") is True
    return policy == "ClusterFirstWithHostNet" or (policy == "ClusterFirst" and not on_node)


def _grace(pod: Mapping[str, Any]) -> int:
    said = objects.mapping(pod, "spec").get("terminationGracePeriodSeconds")
    return said if isinstance(said, int) else GRACE


def _step(index: int, container: Mapping[str, Any]) -> Step:
    args = objects.texts(container, "args")
    return Step(
        index=index,
        name=objects.text(container, "name").removeprefix(_STEP),
        results=tuple(filter(None, f"{_flag(args, '-results')},{_flag(args, '-step_results')}".split(","))),
    )


def _flag(args: tuple[str, ...], name: str) -> str:
    """The value of an entrypoint flag; everything after `--` is the user's command."""
    ours = args[: args.index("--")] if "--" in args else args
    return ours[ours.index(name) + 1] if name in ours[:-1] else ""


def _mount(mount: Mapping[str, Any]) -> Mount:
    return Mount(objects.text(mount, "name"), objects.text(mount, "mountPath"), objects.text(mount, "subPath"))


def _misshapen(containers: tuple[Mapping[str, Any], ...], shape: Shape) -> Refusal | None:
    if Mount(RESULTS, "/tekton/results") not in shape.mounts or RESULTS not in shape.kinds:
        return Refusal(Reason.SHAPE, f"no volume {RESULTS} at /tekton/results")
    for step, container in zip(shape.steps, containers, strict=True):
        volume = f"{RUN}{step.index}"
        if shape.mount_of(volume) != Mount(volume, f"/tekton/run/{step.index}") or volume not in shape.kinds:
            return Refusal(Reason.SHAPE, f"no volume {volume} at /tekton/run/{step.index}")
        posted = _POST.fullmatch(_flag(objects.texts(container, "args"), "-post_file"))
        if posted is None or int(posted[1]) != step.index:
            return Refusal(Reason.SHAPE, f"step {step.name} does not post to /tekton/run/{step.index}/out")
    return None


DELETED = errors.with_fix("its pod was deleted", "find who deletes pods of builds that work, then run it again")


@dataclass(frozen=True, slots=True)
class Seen:
    """What a record needs to know of a pod. `taskrun` is the UID of the TaskRun that controls it, or ""."""

    name: str
    uid: str
    taskrun: str
    injected: bool  # our sidecar stands in it
    ended: bool  # none of its containers runs, or will run again
    said: str = ""  # the last word of our sidecar, or why its container never ran
    cut: bool = False  # results did not fit beside our sidecar, and were lost


def seen(pod: Mapping[str, Any]) -> Seen:
    """The pod as it shows itself now."""
    owner = labels.controller(pod, "TaskRun")
    ended = objects.text(pod, "status", "phase") in ("Succeeded", "Failed")
    uid = owner.uid if owner else ""
    return Seen(labels.name_of(pod), labels.uid_of(pod), uid, carries_sidecar(pod), ended, _last_word(pod), _cut(pod))


def _cut(pod: Mapping[str, Any]) -> bool:
    return carries_sidecar(pod) and termination.cut(pod)


def _last_word(pod: Mapping[str, Any]) -> str:
    """What the container left when it ended, what the kubelet says of an image that does not come, or `DELETED`."""
    left = ""
    for status in objects.mappings(pod, "status", "initContainerStatuses"):
        if status.get("name") == SIDECAR:
            left = objects.text(status, "state", "terminated", "message")
            left = left or objects.text(status, "lastState", "terminated", "message")
            waits = objects.text(status, "state", "waiting", "reason")
            if not left and waits in NO_IMAGE:
                left = f"its image cannot be pulled: {objects.text(status, 'state', 'waiting', 'message') or waits}"
    if not left and objects.text(pod, "metadata", "deletionTimestamp"):
        left = DELETED
    return storable.text(left).encode()[:MAX_WORD].decode(errors="ignore")


def carries_sidecar(pod: Mapping[str, Any]) -> bool:
    """Whether the sidecar was injected into the pod."""
    return any(c.get("name") == SIDECAR for c in objects.mappings(pod, "spec", "initContainers"))
