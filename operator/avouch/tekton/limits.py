"""The sidecar's requests and limits, fitted into the LimitRanges of a namespace: one that they forbid breaks the build.

As LimitRanger of the API server judges (kubernetes plugin/pkg/admission/limitranger/admission.go), after all mutation:
- Container: of each one min <= request, limit <= max, and limit / request <= maxLimitRequestRatio.
- Pod: the same of the sum of all containers and sidecars, or of one init container that takes more than this sum.
- The pod's own spec.resources (PodLevelResources): the requests of all containers fit into its requests
  (pkg/apis/core/validation, validatePodResourceConsistency). A limit above its limits would mean nothing.
- What a container does not state gets the defaults; so the sidecar states 0 of what it has no use for, such as GPUs.
A bound that the pod breaks without the sidecar is not looked at: such a pod is refused whatever we do.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from avouch.tekton import objects, pod, quantities

Resources = Mapping[str, Mapping[str, str]]
WANTED: Resources = {
    "requests": {"cpu": "5m", "memory": "32Mi", "ephemeral-storage": "16Mi"},
    "limits": {"cpu": "500m", "memory": "128Mi", "ephemeral-storage": "64Mi"},
}
# Where a ratio binds, the limit is lowered to this before the request is raised: a request is taken from the node.
_ENOUGH = {"cpu": Fraction(1, 10), "memory": Fraction(96 * 1024**2), "ephemeral-storage": Fraction(32 * 1024**2)}
# With less than this it would be killed, or too slow to deliver anything.
_LEAST = {"cpu": Fraction(1, 50), "memory": Fraction(64 * 1024**2), "ephemeral-storage": Fraction(16 * 1024**2)}
_STEP = {"cpu": Fraction(1, 1000)}  # the finest that is written; 1 of all others
_MEBI = 1024**2


@dataclass(frozen=True, slots=True)
class Stated:
    """What a pod states of one resource without the sidecar: its containers together, its largest init container."""

    sum: Fraction = Fraction(0)
    init: Fraction = Fraction(0)

    def with_sidecar(self, amount: Fraction) -> Fraction:
        """What LimitRanger counts when the sidecar states this amount."""
        return max(self.sum + amount, self.init)

    @property
    def alone(self) -> Fraction:
        """What it counts without the sidecar."""
        return self.with_sidecar(Fraction(0))


@dataclass(frozen=True, slots=True)
class _Item:
    """One resource in one item of a LimitRange; `most` and `ratio` are None where it says nothing."""

    name: str  # of the LimitRange
    whole_pod: bool
    least: Fraction
    most: Fraction | None
    ratio: Fraction | None


@dataclass(frozen=True, slots=True)
class _Room:
    """What the items leave to the sidecar of one resource. `limit` and `request` are (least, most); None: no bound."""

    items: Sequence[_Item]
    requests: Stated
    limits: Stated
    step: Fraction
    whole: tuple[Fraction | None, Fraction | None]  # requests and limits of the pod itself

    def bounds(self) -> tuple[Fraction, Fraction | None, Fraction, Fraction | None]:
        """(least request, most request, least limit, most limit), ratios aside."""
        request = limit = Fraction(0)
        most_request: list[Fraction] = []
        most_limit: list[Fraction] = []
        for item in self.items:
            least, most = item.least, item.most
            if not item.whole_pod:
                request, limit = max(request, least), max(limit, least)  # no request is over its limit
                most_limit += [] if most is None else [most]
                continue
            if self.limits.alone < least:  # nothing else states a limit: ours is the pod's then
                limit = max(limit, least - self.limits.sum)
            if most is not None and max(self.requests.alone, self.limits.alone) <= most:
                most_request.append(most - self.requests.sum)
                most_limit.append(most - self.limits.sum)
        asked, allowed = self.whole
        if asked is not None and self.requests.alone <= asked:
            most_request.append(asked - self.requests.sum)
        if allowed is not None:
            most_limit.append(allowed)
        return request, min(most_request, default=None), limit, min(most_limit, default=None)

    def request_for(self, limit: Fraction, request: Fraction) -> Fraction:
        """The least request, from this one on, that every ratio allows with this limit."""
        for item in self.items:
            if item.ratio is None:
                continue
            if not item.whole_pod:
                request = max(request, limit / item.ratio)
            elif self._in_ratio(item.ratio):
                owed = self.limits.with_sidecar(limit) / item.ratio
                if self.requests.with_sidecar(request) < owed:
                    request = owed - self.requests.sum
        return _up(request, self.step)

    def allows(self, request: Fraction, limit: Fraction) -> bool:
        """Whether the ratios hold as LimitRanger calculates them, in floating point."""
        pairs = [
            (self.limits.with_sidecar(limit), self.requests.with_sidecar(request), item.ratio)
            if item.whole_pod
            else (limit, request, item.ratio)
            for item in self.items
            if item.ratio is not None and (not item.whole_pod or self._in_ratio(item.ratio))
        ]
        return all(_milli(most) / _milli(least) * 1000 <= _milli(ratio) for most, least, ratio in pairs)

    def _in_ratio(self, ratio: Fraction) -> bool:
        """Whether the pod keeps it without the sidecar."""
        return 0 < self.limits.alone <= ratio * self.requests.alone


def stated(created: Mapping[str, Any], kind: str, resource: str) -> Stated:
    """What a pod states of a resource; `kind` is requests or limits. Sidecars count for as long as the pod runs."""
    total = sum((_amount(c, kind, resource) for c in objects.mappings(created, "spec", "containers")), Fraction(0))
    sidecars = most = Fraction(0)
    for container in objects.mappings(created, "spec", "initContainers"):
        amount = _amount(container, kind, resource)
        if container.get("restartPolicy") == "Always":
            sidecars += amount
            most = max(most, sidecars)
        else:
            most = max(most, sidecars + amount)
    return Stated(total + sidecars, most)


def fit(ranges: Iterable[Mapping[str, Any]], created: Mapping[str, Any]) -> Resources | pod.Refusal:
    """The sidecar's resources for this pod, or why none fit. A pod without containers asks for the namespace alone.

    Raises:
        Invalid: a quantity that cannot be read.
    """
    known, level = tuple(ranges), objects.mapping(created, "spec", "resources")
    if not known and not level:
        return WANTED
    fitted: dict[str, dict[str, str]] = {"requests": {}, "limits": {}}
    for resource in WANTED["requests"]:
        room = _Room(
            tuple(_items(known, resource)),
            stated(created, "requests", resource),
            stated(created, "limits", resource),
            _STEP.get(resource, Fraction(1)),
            (_said(level, "requests", resource), _said(level, "limits", resource)),
        )
        found = _fitted(resource, room)
        if found is None and _fitted(resource, replace(room, whole=(None, None))) is not None:
            return _no_room_in_pod(resource)
        if found is None:
            return _refused(resource, room.items)
        for kind, amount in zip(("requests", "limits"), found, strict=True):
            fitted[kind][resource] = _text(resource, amount)
    for resource in sorted(_others(known)):
        items = [item for item in _items(known, resource) if not item.whole_pod]
        if any(item.least or item.ratio is not None for item in items):
            return _refused(resource, items)
        fitted["requests"][resource] = fitted["limits"][resource] = "0"
    return fitted


def _fitted(resource: str, room: _Room) -> tuple[Fraction, Fraction] | None:
    """(request, limit): as wanted where that is allowed, and else as near to it as it costs the build least."""
    least_request, most_request, least_limit, most_limit = room.bounds()
    wanted = quantities.read(WANTED["requests"][resource]), quantities.read(WANTED["limits"][resource])
    request = _up(max(wanted[0], least_request), room.step)
    request = request if most_request is None else min(request, _down(most_request, room.step))
    limit = _up(max(wanted[1], least_limit), room.step)
    limit = limit if most_limit is None else min(limit, _down(most_limit, room.step))
    least = _up(max(_LEAST[resource], least_limit), room.step)
    if limit < least or request < max(least_request, room.step):
        return None
    for lowered in _lowered(limit, max(least, min(limit, _ENOUGH[resource])), least, request, room):
        raised = room.request_for(lowered, min(request, lowered))
        if raised <= lowered and (most_request is None or raised <= most_request) and room.allows(raised, lowered):
            return raised, lowered
    return None


def _lowered(limit: Fraction, enough: Fraction, least: Fraction, request: Fraction, room: _Room) -> Iterable[Fraction]:
    """Limits in the order in which they are tried: those that leave the request alone come first."""
    ratios = [item.ratio for item in room.items if item.ratio is not None]
    fair = min((_down(request * ratio, room.step) for ratio in ratios), default=limit)
    kept = [each for each in (limit, min(limit, fair)) if each >= enough and room.request_for(each, request) == request]
    # One step lower where floating point makes of a ratio that is kept exactly one that is not.
    return [each - by * room.step for each in (*kept, enough, least) for by in (0, 1) if each - by * room.step >= least]


def _items(ranges: Iterable[Mapping[str, Any]], resource: str) -> Iterable[_Item]:
    for one in ranges:
        for item in objects.mappings(one, "spec", "limits"):
            if item.get("type") in ("Container", "Pod"):
                said = {
                    name: quantities.read(objects.mapping(item, name)[resource])
                    for name in ("min", "max", "maxLimitRequestRatio")
                    if resource in objects.mapping(item, name)
                }
                yield _Item(
                    objects.text(one, "metadata", "name"),
                    item["type"] == "Pod",
                    said.get("min", Fraction(0)),
                    said.get("max"),
                    said.get("maxLimitRequestRatio"),
                )


def _others(ranges: Iterable[Mapping[str, Any]]) -> set[str]:
    """Resources besides ours of which a container has to state something, or gets a default."""
    fields = ("min", "max", "maxLimitRequestRatio", "default", "defaultRequest")
    items = [
        item for one in ranges for item in objects.mappings(one, "spec", "limits") if item.get("type") == "Container"
    ]
    return {name for item in items for field in fields for name in objects.mapping(item, field)} - set(
        WANTED["requests"]
    )


def _no_room_in_pod(resource: str) -> pod.Refusal:
    return pod.Refusal(
        pod.Reason.POD_RESOURCES,
        f"spec.resources of the pod leave no room for the sidecar, which needs at least"
        f" {_text(resource, _LEAST[resource])} of {resource}; raise them",
    )


def _refused(resource: str, items: Iterable[_Item]) -> pod.Refusal:
    names = " and ".join(sorted({item.name for item in items}))
    needed = f"at least {_text(resource, _LEAST[resource])} of" if resource in _LEAST else "no"
    return pod.Refusal(
        pod.Reason.LIMITS,
        f"LimitRange {names} leaves no room for the sidecar, which needs {needed} {resource}; widen its min, max or"
        f" maxLimitRequestRatio of {resource}",
    )


def _amount(container: Mapping[str, Any], kind: str, resource: str) -> Fraction:
    return _said(objects.mapping(container, "resources"), kind, resource) or Fraction(0)


def _said(resources: Mapping[str, Any], kind: str, resource: str) -> Fraction | None:
    said = objects.mapping(resources, kind)
    return quantities.read(said[resource]) if resource in said else None


def _up(amount: Fraction, step: Fraction) -> Fraction:
    return math.ceil(amount / step) * step


def _down(amount: Fraction, step: Fraction) -> Fraction:
    return math.floor(amount / step) * step


def _milli(amount: Fraction) -> float:
    return float(math.ceil(amount * 1000))


def _text(resource: str, amount: Fraction) -> str:
    if resource in _STEP:
        return f"{int(amount * 1000)}m"
    return f"{int(amount) // _MEBI}Mi" if amount % _MEBI == 0 else str(int(amount))
