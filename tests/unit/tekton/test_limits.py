"""The sidecar's resources where a namespace has LimitRanges: the least change that they allow, or a reason."""

from typing import Any

import pytest

from avouch.tekton import limits, pod

NO_POD: dict[str, Any] = {}
REQUESTS = {"cpu": "5m", "memory": "32Mi", "ephemeral-storage": "16Mi"}
LIMITS = {"cpu": "500m", "memory": "128Mi", "ephemeral-storage": "64Mi"}
NO_GPU = {"requests": {**REQUESTS, "nvidia.com/gpu": "0"}, "limits": {**LIMITS, "nvidia.com/gpu": "0"}}


def ranges(*items: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"metadata": {"name": f"range-{at}"}, "spec": {"limits": [item]}} for at, item in enumerate(items)]


def container(**bounds: Any) -> dict[str, Any]:
    return {"type": "Container", **bounds}


def whole(**bounds: Any) -> dict[str, Any]:
    return {"type": "Pod", **bounds}


def a_pod(*containers: dict[str, Any], init: tuple[dict[str, Any], ...] = ()) -> dict[str, Any]:
    return {"spec": {"containers": list(containers), "initContainers": list(init)}}


def states(cpu: str = "", memory: str = "", request: str = "", **fields: Any) -> dict[str, Any]:
    said = {"cpu": cpu} if cpu else {"memory": memory}
    asked = {name: request or amount for name, amount in said.items()}
    return {"resources": {"limits": said, "requests": asked}, **fields}


def asks(cpu: str) -> dict[str, Any]:
    """A container with a request and no limit."""
    return {"resources": {"requests": {"cpu": cpu}}}


def cpu(request: str, limit: str) -> dict[str, dict[str, str]]:
    return {"requests": {**REQUESTS, "cpu": request}, "limits": {**LIMITS, "cpu": limit}}


def memory(request: str, limit: str) -> dict[str, dict[str, str]]:
    return {"requests": {**REQUESTS, "memory": request}, "limits": {**LIMITS, "memory": limit}}


@pytest.mark.parametrize(
    ("items", "created", "fitted"),
    [
        ([], NO_POD, cpu("5m", "500m")),
        ([], a_pod(states(cpu="nonsense")), cpu("5m", "500m")),
        ([container(max={"cpu": "2"}, min={"cpu": "1m"})], NO_POD, cpu("5m", "500m")),
        ([container(min={"cpu": "50m"})], NO_POD, cpu("50m", "500m")),
        ([container(min={"cpu": "2"})], NO_POD, cpu("2000m", "2000m")),
        ([container(min={"memory": "64Mi"})], NO_POD, memory("64Mi", "128Mi")),
        ([container(max={"cpu": "400m"})], NO_POD, cpu("5m", "400m")),
        ([container(max={"memory": "100M"})], NO_POD, memory("32Mi", "100000000")),
        ([container(maxLimitRequestRatio={"cpu": "50"})], NO_POD, cpu("5m", "250m")),
        ([container(maxLimitRequestRatio={"cpu": "10"})], NO_POD, cpu("10m", "100m")),
        ([container(maxLimitRequestRatio={"cpu": "1"})], NO_POD, cpu("100m", "100m")),
        ([container(maxLimitRequestRatio={"memory": "1.5"})], NO_POD, memory("64Mi", "96Mi")),
        ([container(maxLimitRequestRatio={"cpu": "64.4"})], NO_POD, cpu("5m", "321m")),  # 322 / 5 is over it in floats
        ([container(maxLimitRequestRatio={"cpu": "10"})], a_pod(states(cpu="1", request="10m")), cpu("10m", "100m")),
        ([container(min={"cpu": "50m"}), container(maxLimitRequestRatio={"cpu": "10"})], NO_POD, cpu("50m", "500m")),
        # of whole pods
        ([whole(max={"memory": "200Mi"})], a_pod(states(memory="80Mi")), memory("32Mi", "120Mi")),
        ([whole(max={"memory": "200Mi"})], a_pod(states(memory="300Mi")), memory("32Mi", "128Mi")),  # refused anyway
        ([whole(max={"memory": "200Mi"})], a_pod(init=(states(memory="200Mi"),)), memory("32Mi", "128Mi")),
        (
            [whole(max={"memory": "200Mi"})],
            a_pod(init=(states(memory="80Mi", restartPolicy="Always"),)),
            memory("32Mi", "120Mi"),
        ),
        ([whole(min={"cpu": "1"})], a_pod({"resources": {"requests": {"cpu": "1"}}}), cpu("5m", "1000m")),
        ([whole(min={"cpu": "1"})], a_pod(states(cpu="1")), cpu("5m", "500m")),
        ([whole(min={"cpu": "1"})], a_pod(init=(states(cpu="1"),)), cpu("5m", "500m")),
        ([whole(max={"cpu": "1"})], a_pod(asks(cpu="998m")), cpu("2m", "500m")),
        (
            [whole(max={"cpu": "1"}), container(maxLimitRequestRatio={"cpu": "1"})],
            a_pod(asks(cpu="950m")),
            cpu("20m", "20m"),
        ),
        (
            [whole(max={"cpu": "1"}), container(maxLimitRequestRatio={"cpu": "1"})],
            a_pod(asks(cpu="900m")),
            cpu("100m", "100m"),
        ),
        ([whole(maxLimitRequestRatio={"cpu": "2"})], a_pod(states(cpu="1")), cpu("5m", "500m")),
        ([whole(maxLimitRequestRatio={"cpu": "2"})], a_pod(states(cpu="1", request="500m")), cpu("50m", "100m")),
        ([whole(maxLimitRequestRatio={"cpu": "1"})], a_pod(init=(states(cpu="500m"),)), cpu("5m", "500m")),
        ([whole(maxLimitRequestRatio={"cpu": "16.1"})], a_pod(states(cpu="222m", request="15m")), cpu("5m", "99m")),
        # that are refused anyway
        ([whole(maxLimitRequestRatio={"cpu": "2"})], a_pod(states(cpu="1", request="100m")), cpu("5m", "500m")),
        ([whole(maxLimitRequestRatio={"cpu": "2"})], a_pod(asks(cpu="1")), cpu("5m", "500m")),
        ([whole(maxLimitRequestRatio={"cpu": "2"})], NO_POD, cpu("5m", "500m")),
        # what the sidecar has no use for
        ([container(default={"nvidia.com/gpu": "1"})], NO_POD, NO_GPU),
        ([container(defaultRequest={"nvidia.com/gpu": "1"})], NO_POD, NO_GPU),
        ([container(max={"nvidia.com/gpu": "1"}), whole(min={"nvidia.com/gpu": "1"})], NO_POD, NO_GPU),
        ([{"type": "example.com/Build", "max": {"cpu": "1m"}}], NO_POD, cpu("5m", "500m")),
        ([{"type": "PersistentVolumeClaim", "min": {"storage": "1Gi"}}], NO_POD, cpu("5m", "500m")),
    ],
)
def test_the_sidecar_asks_for_what_is_allowed_and_no_more_than_it_has_to(
    items: list[dict[str, Any]], created: dict[str, Any], fitted: limits.Resources
) -> None:
    assert limits.fit(ranges(*items), created) == fitted


@pytest.mark.parametrize(
    ("items", "created", "said"),
    [
        ([container(max={"memory": "32Mi"})], NO_POD, "needs at least 64Mi of memory"),
        ([container(max={"cpu": "10m"})], NO_POD, "needs at least 20m of cpu"),
        ([container(max={"memory": "80Mi"}, min={"memory": "90Mi"})], NO_POD, "of memory"),
        ([container(max={"ephemeral-storage": "1Mi"})], NO_POD, "16Mi of ephemeral-storage"),
        ([whole(max={"memory": "200Mi"})], a_pod(states(memory="150Mi")), "needs at least 64Mi of memory"),
        ([whole(max={"memory": "200Mi"})], a_pod(states(memory="200Mi")), "needs at least 64Mi of memory"),
        ([whole(max={"cpu": "1"})], a_pod(asks(cpu="1")), "needs at least 20m of cpu"),
        ([whole(max={"cpu": "1"}), container(min={"cpu": "5m"})], a_pod(asks(cpu="998m")), "needs at least 20m of cpu"),
        (
            [whole(max={"cpu": "1"}), container(maxLimitRequestRatio={"cpu": "1"})],
            a_pod(asks(cpu="981m")),
            "20m of cpu",
        ),
        ([container(maxLimitRequestRatio={"cpu": "0.5"})], NO_POD, "needs at least 20m of cpu"),
        ([container(min={"nvidia.com/gpu": "1"})], NO_POD, "needs no nvidia.com/gpu"),
        ([container(maxLimitRequestRatio={"hugepages-2Mi": "1"})], NO_POD, "needs no hugepages-2Mi"),
        (
            [whole(max={"cpu": "1010m"}, maxLimitRequestRatio={"cpu": "1"})],
            a_pod(states(cpu="1")),
            "needs at least 20m of cpu",
        ),
    ],
)
def test_where_nothing_fits_the_refusal_names_the_range_and_what_is_needed(
    items: list[dict[str, Any]], created: dict[str, Any], said: str
) -> None:
    refused = limits.fit(ranges(*items), created)
    assert isinstance(refused, pod.Refusal)
    assert refused.reason is pod.Reason.LIMITS
    assert said in refused.message
    assert "LimitRange range-0 " in refused.message


def of_level(requests: dict[str, str], most: dict[str, str], *containers: dict[str, Any]) -> dict[str, Any]:
    """A pod with resources of its own."""
    made = a_pod(*containers)
    made["spec"]["resources"] = {"requests": requests, "limits": most}
    return made


@pytest.mark.parametrize(
    ("created", "fitted"),
    [
        (of_level({"memory": "1Gi"}, {"memory": "1Gi"}, states(memory="80Mi")), memory("32Mi", "128Mi")),
        (of_level({"memory": "100Mi"}, {"memory": "1Gi"}, states(memory="80Mi")), memory("20Mi", "128Mi")),
        (of_level({"memory": "1Gi"}, {"memory": "100Mi"}, states(memory="80Mi")), memory("32Mi", "100Mi")),
        (of_level({"cpu": "1"}, {"cpu": "300m"}, states(cpu="100m")), cpu("5m", "300m")),
        (of_level({"cpu": "102m"}, {"cpu": "1"}, states(cpu="100m")), cpu("2m", "500m")),
        (of_level({"memory": "10Mi"}, {"memory": "1Gi"}, states(memory="80Mi")), memory("32Mi", "128Mi")),
    ],
    ids=["room", "less to ask for", "a lower limit", "of CPU", "a little CPU", "a pod that is refused anyway"],
)
def test_the_sidecar_fits_into_the_resources_of_the_pod_itself(created: dict[str, Any], fitted: object) -> None:
    assert limits.fit([], created) == fitted


@pytest.mark.parametrize(
    ("created", "resource"),
    [
        (of_level({"memory": "80Mi"}, {"memory": "1Gi"}, states(memory="80Mi")), "64Mi of memory"),
        (of_level({"memory": "1Gi"}, {"memory": "50Mi"}, states(memory="40Mi")), "64Mi of memory"),
        (of_level({"cpu": "100m"}, {"cpu": "1"}, states(cpu="100m")), "20m of cpu"),
    ],
)
def test_a_pod_without_room_for_it_gets_no_sidecar(created: dict[str, Any], resource: str) -> None:
    refused = limits.fit([], created)
    assert isinstance(refused, pod.Refusal)
    assert refused.reason is pod.Reason.POD_RESOURCES
    assert resource in refused.message
