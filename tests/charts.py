"""What the chart's templates say, as Helm renders them."""

import subprocess

from tests import docs
from tests.cluster import binaries

CHART = docs.ROOT / "charts" / "avouch"


def rendered(template: str, **values: str) -> str:
    """One template of the chart in the namespace avouch; `values` as --set takes them."""
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
    command += ["--show-only", f"templates/{template}.yaml", *(f"--set={key}={value}" for key, value in given.items())]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout
