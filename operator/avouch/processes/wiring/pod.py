"""The pod of a Tekton step."""

from collections.abc import Mapping

from avouch.ci import pod


def build(environment: Mapping[str, str]) -> tuple[str, Mapping[str, str]]:
    """Namespace and labels of the pod that we are in, as far as they can be read."""
    found = pod.look(environment).pod
    return (found.namespace, found.labels) if found is not None else ("", {})
