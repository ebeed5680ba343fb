"""The injection patch: one native sidecar and one volume appended to a TaskRun's pod, and no other change.

Rules; breaking any of them can break a build (Tekton and kubelet sources; tests carry the same numbers):
 1. Appended last to initContainers with restartPolicy Always; no startup, readiness or liveness probe: a startup probe
    would hold back every step.
 2. Name without `step-` or `sidecar-`: Tekton waits for, reports and fails on those.
 3. No `command`: the image's entry point is the program.
 4. Only read-only mounts: run-0..N-1, results, steps and artifacts at the steps' own paths; the needed workspaces, each
    in a folder of its own, because steps may mount several at one path, or one inside another. Never the entrypoint
    binary, credentials, or writable volumes that are shared with a step.
 5. Nothing below /tekton/run but the steps' own directories: results-from sidecar-logs waits for each entry there.
 6. One projected volume with a random name that no mount refers to beforehand.
 7. Explicit requests and limits that the LimitRanges of the namespace allow; Pod Security `restricted`; a numeric user,
    who is that of the steps where `pod.Shape.user` says that this is safe, and never root.
 8. No Secret or ConfigMap reference: a missing one fails the TaskRun at once.
 9. Pod-level fields, labels, annotations and all that exists stay as they are, but for terminationGracePeriodSeconds
    where a Workflow asks for more time than the kubelet gives by itself.
"""

import json
import urllib.parse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from avouch import names, plan
from avouch.tekton import limits, pod

IDENTITY = "/var/run/avouch"  # token and labels
WORKSPACES = "/var/run/avouch-workspaces"
AUDIENCE = names.AUDIENCE
TOKEN_SECONDS = 600  # the shortest that Kubernetes allows; the kubelet renews it at 80 %
MAX_ENVIRONMENT = 96 * 1024  # bytes of plans: Linux refuses to start a program with a string over 128 KiB
USER = 65532
_STOPS = 10  # seconds beyond the time to deliver, in which the sidecar ends by itself


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of every injected sidecar. `ca` is PEM; `image` is best pinned by digest.

    `addresses` are those of the server's own Service, for pods in which its name means nothing; IPv4 and IPv6.
    """

    image: str
    server: str
    ca: str
    addresses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Injection:
    """A decision to inject, with what the sidecar gets: `workspaces`, and those it cannot have, with the reason.

    `published` are those of the workspaces that the kubelet writes: of ConfigMaps.
    """

    shape: pod.Shape
    plans: tuple[plan.Plan, ...]
    workspaces: Mapping[str, pod.Mount]
    unmounted: Mapping[str, str] = field(default_factory=dict)
    resources: limits.Resources = field(default_factory=lambda: limits.WANTED)
    published: frozenset[str] = frozenset()


def patch(injection: Injection, settings: Settings, suffix: str) -> list[dict[str, object]] | pod.Refusal:
    """The JSON patch (RFC 6902) that injects, or a refusal.

    Args:
        injection: what the sidecar gets.
        settings: of all sidecars.
        suffix: eight random hexadecimal characters for the volume's name.
    """
    shape, volume = injection.shape, f"avouch-{suffix}"
    if volume in shape.taken:
        return pod.Refusal(pod.Reason.VOLUME, f"the pod already refers to a volume {volume}")
    environment = _environment(injection, settings)
    if sum(len(str(entry.get("value", ""))) for entry in environment) > MAX_ENVIRONMENT:
        return pod.Refusal(
            pod.Reason.TOO_LARGE, f"the plans are over {MAX_ENVIRONMENT} bytes, too many for an environment variable"
        )
    container = {
        "name": pod.SIDECAR,
        "image": settings.image,
        "imagePullPolicy": "IfNotPresent",
        "restartPolicy": "Always",
        "env": environment,
        "resources": {kind: dict(amounts) for kind, amounts in injection.resources.items()},
        "securityContext": _security(shape),
        "volumeMounts": [*_mounts(injection), {"name": volume, "mountPath": IDENTITY, "readOnly": True}],
    }
    return [
        _append("/spec/initContainers", container, exists=shape.has_init),
        _append("/spec/volumes", {"name": volume, "projected": _projected()}, exists=shape.has_volumes),
        *_longer(injection),
    ]


def _within(injection: Injection) -> int:
    return max((each.attest_within for each in injection.plans), default=plan.ATTEST_WITHIN)


def _longer(injection: Injection) -> list[dict[str, object]]:
    """The pod's grace, where the sidecar has more time than it: the kubelet kills whatever is left when it is over."""
    within = _within(injection)
    if within <= plan.ATTEST_WITHIN or within + _STOPS <= injection.shape.grace:
        return []
    return [{"op": "add", "path": "/spec/terminationGracePeriodSeconds", "value": within + _STOPS}]


def applied(created: Mapping[str, Any], changes: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The pod as `patch` makes it: it appends to lists of the spec, and sets fields of it."""
    spec = dict(created["spec"])
    for change in changes:
        name = str(change["path"]).split("/")[2]
        value = change["value"]
        spec[name] = [*spec.get(name, ()), value] if str(change["path"]).endswith("/-") else value
    return {**created, "spec": spec}


def _append(path: str, value: object, *, exists: bool) -> dict[str, object]:
    """Adding to an absent list needs the list itself; adding the list where one exists would replace it."""
    return (
        {"op": "add", "path": f"{path}/-", "value": value} if exists else {"op": "add", "path": path, "value": [value]}
    )


def _environment(injection: Injection, settings: Settings) -> list[dict[str, object]]:
    steps = [step.name for step in injection.shape.steps]
    places = {name: mount.path for name, mount in _workspaces(injection).items()}
    plans = [json.loads(each.to_json()) for each in injection.plans]
    return [
        {"name": "AVOUCH_SERVER", "value": settings.server},
        {"name": "AVOUCH_SERVER_HOSTS", "value": " ".join(_hosts(injection.shape, settings))},
        {"name": "AVOUCH_CA", "value": settings.ca},
        {"name": "AVOUCH_PLAN", "value": _json(plans)},
        {"name": "AVOUCH_STEPS", "value": str(len(steps))},
        {"name": "AVOUCH_STEP_NAMES", "value": _json(steps)},
        {"name": "AVOUCH_WORKSPACES", "value": _json(places)},
        {"name": "AVOUCH_PUBLISHED", "value": _json(sorted(injection.published))},
        {"name": "AVOUCH_UNMOUNTED", "value": _json(injection.unmounted)},
        {"name": "AVOUCH_BUDGET", "value": str(_within(injection))},
        _downward("POD_NAME", "metadata.name"),
        _downward("POD_NAMESPACE", "metadata.namespace"),
        _downward("POD_UID", "metadata.uid"),
        _downward("SERVICE_ACCOUNT", "spec.serviceAccountName"),
    ]


def _hosts(shape: pod.Shape, settings: Settings) -> tuple[str, ...]:
    """How the server is reached, in this order; empty: by its URL.

    Another DNS than the cluster's may know the name wrongly, or never answer, so there it comes last. Where the
    cluster's DNS fails, the addresses stand in for it.
    """
    name = urllib.parse.urlsplit(settings.server).hostname or ""
    if not settings.addresses:
        return ()
    return (name, *settings.addresses) if shape.cluster_dns else (*settings.addresses, name)


def _json(value: Mapping[str, object] | Sequence[object]) -> str:
    """Compact JSON without `$`: the kubelet expands $(NAME) in values of the environment."""
    return json.dumps(value, sort_keys=True, separators=(",", ":")).replace("$", "\\u0024")


def _downward(name: str, path: str) -> dict[str, object]:
    return {"name": name, "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": path}}}


def _security(shape: pod.Shape) -> dict[str, object]:
    """The steps' own user may read what they keep from others; a user of ours where they have none to share."""
    return {
        "runAsNonRoot": True,
        "runAsUser": shape.user or USER,
        "runAsGroup": shape.group or USER,
        "privileged": False,
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def _mounts(injection: Injection) -> list[dict[str, object]]:
    shape = injection.shape
    names = [*(f"{pod.RUN}{step.index}" for step in shape.steps), pod.RESULTS, pod.STEPS, pod.ARTIFACTS]
    internal = [mount for mount in map(shape.mount_of, names) if mount is not None and mount.volume in shape.kinds]
    return [_mount(mount) for mount in dict.fromkeys([*internal, *_workspaces(injection).values()])]


def _workspaces(injection: Injection) -> dict[str, pod.Mount]:
    """The workspaces where the sidecar sees them: numbered, because a name need not be a path."""
    every = enumerate(sorted(injection.workspaces.items()))
    return {name: replace(mount, path=f"{WORKSPACES}/{number}") for number, (name, mount) in every}


def _mount(mount: pod.Mount) -> dict[str, object]:
    whole: dict[str, object] = {"name": mount.volume, "mountPath": mount.path, "readOnly": True}
    return {**whole, "subPath": mount.sub_path} if mount.sub_path else whole


def _projected() -> dict[str, object]:
    token = {"path": "token", "audience": AUDIENCE, "expirationSeconds": TOKEN_SECONDS}
    labels = {"path": "labels", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.labels"}}
    return {"sources": [{"serviceAccountToken": token}, {"downwardAPI": {"items": [labels]}}]}
