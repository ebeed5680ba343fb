"""What a pod knows about itself: the labels from the downward API, and the TaskRun from its name."""

import json
import re

_LINE = re.compile(r'([^=]+)=("(?:[^"\\]|\\.)*")')
_POD = re.compile(r"(?P<run>.+)-pod(?:-retry[0-9]+)?", re.ASCII)
_HASHED = re.compile(r".*[0-9a-f]{32}", re.ASCII)  # what Tekton makes of names that are too long for a pod's
_LONGEST = 63  # characters of a pod's name as Tekton makes it


def parse_labels(text: str) -> dict[str, str]:
    """The downward API's label file: one `key="quoted value"` a line.

    >>> parse_labels('tekton.dev/task="build"')
    {'tekton.dev/task': 'build'}
    """
    found: dict[str, str] = {}
    for line in text.splitlines():
        match = _LINE.fullmatch(line)
        if match:
            found[match[1]] = _unquoted(match[2])
    return found


def task_run_of(hostname: str) -> str:
    """The TaskRun of a pod's name, empty if the name is too long and has a hash instead.

    >>> task_run_of("build-1-pod-retry2")
    'build-1'
    """
    found = _POD.fullmatch(hostname)
    if found is None or (len(hostname) >= _LONGEST - 9 and _HASHED.fullmatch(found["run"])):
        return ""
    return found["run"]


def _unquoted(text: str) -> str:
    """The kubelet quotes as Go does; for characters of labels that equals JSON."""
    try:
        return str(json.loads(text))
    except ValueError:
        return ""
