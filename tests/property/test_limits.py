"""Whatever LimitRanges and pod: one that is created without the sidecar is created with it, or gets none."""

from typing import Any

from hypothesis import event, given, settings
from hypothesis import strategies as st

from avouch.tekton import limits, pod
from tests import limitranger

CPU = st.sampled_from(["1m", "5m", "20m", "50m", "100m", "333m", "500m", "1", "2"])
MEMORY = st.sampled_from(["16Mi", "32Mi", "64Mi", "100Mi", "128Mi", "200Mi", "1024Mi"])
RATIO = st.sampled_from(["1", "1.1", "2", "3.3", "4", "7", "10", "50"])
AMOUNTS = st.fixed_dictionaries({}, optional={"cpu": CPU, "memory": MEMORY})
ITEM = st.fixed_dictionaries(
    {"type": st.sampled_from(["Container", "Pod"])},
    optional={
        "min": AMOUNTS,
        "max": AMOUNTS,
        "maxLimitRequestRatio": st.fixed_dictionaries({}, optional={"cpu": RATIO, "memory": RATIO}),
    },
)
CONTAINER = st.fixed_dictionaries(
    {"resources": st.fixed_dictionaries({}, optional={"requests": AMOUNTS, "limits": AMOUNTS})},
)
INIT = st.fixed_dictionaries(
    {"resources": st.fixed_dictionaries({}, optional={"requests": AMOUNTS, "limits": AMOUNTS})},
    optional={"restartPolicy": st.just("Always")},
)


@settings(max_examples=1000)
@given(st.lists(ITEM, min_size=1, max_size=3), st.lists(CONTAINER, min_size=1, max_size=3), st.lists(INIT, max_size=2))
def test_a_pod_that_is_created_without_the_sidecar_is_created_with_it(
    items: list[dict[str, Any]], containers: list[dict[str, Any]], init: list[dict[str, Any]]
) -> None:
    created = {"spec": {"containers": containers, "initContainers": init}}
    ranges = [{"metadata": {"name": "l"}, "spec": {"limits": items}}]
    resources = limits.fit(ranges, created)
    if isinstance(resources, pod.Refusal):
        event("no sidecar")
        return
    for name, request in resources["requests"].items():
        assert limitranger.number(request) <= limitranger.number(resources["limits"][name])
    if limitranger.admits(items, created):
        event("created without the sidecar")
        assert limitranger.admits(items, limitranger.with_sidecar(created, resources))
