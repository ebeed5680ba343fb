"""What the chart's templates say, as Helm renders them."""

import subprocess
from pathlib import Path

from tests import docs
from tests.cluster import binaries

CHART = docs.ROOT / "charts" / "avouch"


def rendered(template: str, **values: str) -> str:
    """One template of the chart in the namespace avouch; `values` as --set takes them."""
    return subprocess.run(_command(template, values), capture_output=True, text=True, check=True).stdout


def refused(template: str, **values: str) -> str:
    """Why Helm does not render a template."""
    done = subprocess.run(_command(template, values), capture_output=True, text=True, check=False)
    assert done.returncode, done.stdout
    return done.stderr


def installing(kubeconfig: Path, **values: str) -> str:
    """What `helm install` would do on a cluster, and its notes: here the chart sees what is there."""
    given = {"verifierId": "https://verifier.example.com", "crds.install": "false", **values}
    command = [str(binaries.binary("helm")), "install", "avouch", str(CHART), "-n", "avouch", "--dry-run=server"]
    command += [f"--kubeconfig={kubeconfig}", *(f"--set={key}={value}" for key, value in given.items())]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def _command(template: str, values: dict[str, str]) -> list[str]:
    given = {"verifierId": "https://verifier.example.com", **values}
    command = [
        str(binaries.binary("helm")),
        "template",
        "avouch",
        str(CHART),
        "-n",
        "avouch",
        "--kube-version",
        "1.34.0",
    ]
    sets = [f"--set={key}={value}" for key, value in given.items()]
    return [*command, "--show-only", f"templates/{template}.yaml", *sets]
