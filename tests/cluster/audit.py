"""What the API server writes down: requests of our own ServiceAccounts, and each pod that is created.

Who asked for what, and the answer's code; of a pod, too, what our webhook made of it, or that it did not answer.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

POLICY = """
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
  - {level: Metadata, userGroups: ["system:serviceaccounts:avouch"]}
  - {level: Metadata, verbs: [create], resources: [{group: "", resources: [pods]}]}
  - {level: None}
"""


def flags(folder: Path) -> tuple[str, str]:
    """Flags of kube-apiserver that make it write the log of the cluster in `folder`."""
    return f"--audit-policy-file={_policy(folder)}", f"--audit-log-path={_log(folder)}"


def write_policy(folder: Path) -> None:
    """Put the policy where the API server looks for it when it starts."""
    _policy(folder).write_text(POLICY, encoding="utf-8")


def requests(folder: Path) -> Iterator[dict[str, Any]]:
    """Every request written down so far, as audit.k8s.io/v1 Events."""
    with _log(folder).open(encoding="utf-8") as lines:
        for line in lines:
            if line.endswith("\n"):  # the last one may still be being written
                yield json.loads(line)


def _policy(folder: Path) -> Path:
    return folder / "audit-policy.yaml"


def _log(folder: Path) -> Path:
    return folder / "logs" / "audit.log"
