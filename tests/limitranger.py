"""What LimitRanger of the API server answers, written from its source a second time, and pods to ask it about."""

import copy
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from avouch.tekton import limits

UNITS = {"m": Decimal("0.001"), "Mi": Decimal(1024**2), "Gi": Decimal(1024**3), "": Decimal(1)}
Amounts = dict[str, Decimal]


def number(text: str) -> Decimal:
    unit = text.lstrip("0123456789.")
    return Decimal(text.removesuffix(unit)) * UNITS[unit]


def stated(container: Mapping[str, Any], kind: str) -> Amounts:
    return {name: number(text) for name, text in ((container.get("resources") or {}).get(kind) or {}).items()}


def of_pod(pod: Mapping[str, Any], kind: str) -> Amounts:
    total: Amounts = {}
    sidecars: Amounts = {}
    most: Amounts = {}
    for container in pod["spec"]["containers"]:
        add(total, stated(container, kind))
    for container in pod["spec"].get("initContainers") or ():
        mine = stated(container, kind)
        if container.get("restartPolicy") == "Always":
            add(total, mine)
            add(sidecars, mine)
            mine = dict(sidecars)
        else:
            add(mine, sidecars)
        for name, amount in mine.items():
            most[name] = max(most.get(name, amount), amount)
    return {name: max(total.get(name, Decimal(0)), most.get(name, Decimal(0))) for name in {*total, *most}}


def add(to: Amounts, more: Amounts) -> None:
    for name, amount in more.items():
        to[name] = to.get(name, Decimal(0)) + amount


def admits(items: Sequence[Mapping[str, Any]], pod: Mapping[str, Any]) -> bool:
    every = [*pod["spec"]["containers"], *(pod["spec"].get("initContainers") or ())]
    for item in items:
        pairs = (
            [(of_pod(pod, "requests"), of_pod(pod, "limits"))]
            if item["type"] == "Pod"
            else [(stated(one, "requests"), stated(one, "limits")) for one in every]
        )
        if not all(_admits(item, requests, limited) for requests, limited in pairs):
            return False
    return True


def _admits(item: Mapping[str, Any], requests: Amounts, limited: Amounts) -> bool:
    for name, text in (item.get("min") or {}).items():
        if name not in requests or requests[name] < number(text) or limited.get(name, number(text)) < number(text):
            return False
    for name, text in (item.get("max") or {}).items():
        if name not in limited or limited[name] > number(text) or requests.get(name, number(text)) > number(text):
            return False
    for name, text in (item.get("maxLimitRequestRatio") or {}).items():
        if not requests.get(name) or not limited.get(name):
            return False
        if float(limited[name] * 1000) / float(requests[name] * 1000) * 1000 > float(number(text) * 1000):
            return False
    return True


def with_sidecar(pod: Mapping[str, Any], resources: limits.Resources) -> dict[str, Any]:
    made: dict[str, Any] = copy.deepcopy(dict(pod))
    sidecar = {
        "name": "avouch-sidecar",
        "image": "sidecar",
        "restartPolicy": "Always",
        "resources": {kind: dict(amounts) for kind, amounts in resources.items()},
    }
    made["spec"].setdefault("initContainers", []).append(sidecar)
    return made
