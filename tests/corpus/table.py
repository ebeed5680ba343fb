"""The corpus: each report with the tool that wrote it, the command, its type and what must be read out of it."""

import lzma
from dataclasses import dataclass, field
from pathlib import Path

from tests.corpus import tools

FOLDER = Path(__file__).parent / "reports"
P = "chainloop.material."


@dataclass(frozen=True)
class Report:
    """One report.

    Attributes:
        file: its name below `reports`; large ones lie there with .xz behind it.
        type: what it is.
        tools: which of `tools.TOOLS` the command needs; the first wrote it. Others are this environment's own.
        command: run by bash in a copy of this repository; it writes $OUT.
        expected: what is read out of it.
        detected: what it is detected as, where that is not its type.
        refused: words of the refusal, where the tool writes what the format does not allow.
        binary: kept byte for byte.
    """

    file: str
    type: str
    tools: tuple[str, ...]
    command: str
    expected: dict[str, str] = field(default_factory=dict)
    detected: str = ""
    refused: str = ""
    binary: bool = False

    @property
    def version(self) -> str:
        """Of the tool that wrote it; "" for one of this environment's own."""
        return next((tool.version for tool in tools.TOOLS if tool.name == self.tools[0]), "")

    def content(self) -> bytes:
        """Its bytes, unpacked."""
        path = FOLDER / self.file
        return path.read_bytes() if path.exists() else lzma.decompress(path.with_name(f"{self.file}.xz").read_bytes())


# This repository has neither Java nor JavaScript: what the makers' own generators write is scanned instead.
_JAVA = (
    'cd "$SCRATCH"; rm -rf app; mvn -q -B archetype:generate -DarchetypeGroupId=org.apache.maven.archetypes '
    "-DarchetypeArtifactId=maven-archetype-quickstart -DarchetypeVersion=1.5 -DgroupId=com.example -DartifactId=app "
    "-Dversion=1.0; cd app;"
)
_NODE = (
    'cd "$SCRATCH"; rm -rf n; mkdir n; cd n; npm init -y >/dev/null; npm pkg set name=example >/dev/null; '
    "npm install --no-audit --no-fund --ignore-scripts is-odd@3.0.1 >/dev/null;"
)

# fmt: off
REPORTS = (
    Report("cyclonedx-py.environment.json", "SBOM_CYCLONEDX_JSON", ("cyclonedx-py",),
           'cyclonedx-py environment --output-reproducible --pyproject pyproject.toml --of JSON -o "$OUT" "$PYTHON"'),
    Report("cyclonedx-py.requirements-1.4.json", "SBOM_CYCLONEDX_JSON", ("cyclonedx-py",),
           'cyclonedx-py requirements --output-reproducible --sv 1.4 --of JSON -o "$OUT" requirements/sidecar.txt'),
    Report("cyclonedx-py.requirements-1.5.json", "SBOM_CYCLONEDX_JSON", ("cyclonedx-py",),
           'cyclonedx-py requirements --output-reproducible --sv 1.5 --of JSON -o "$OUT" requirements/sidecar.txt'),
    Report("cyclonedx-py.requirements-1.7.json", "SBOM_CYCLONEDX_JSON", ("cyclonedx-py",),
           'cyclonedx-py requirements --output-reproducible --sv 1.7 --of JSON -o "$OUT" requirements/sidecar.txt'),
    Report("pip-audit.cyclonedx.json", "SBOM_CYCLONEDX_JSON", ("pip-audit",),
           'pip-audit -r requirements/sidecar.txt --disable-pip -f cyclonedx-json -o "$OUT" || true'),
    Report("pip-audit.json", "ARTIFACT", ("pip-audit",),
           'pip-audit -r requirements/sidecar.txt --disable-pip -f json -o "$OUT" || true'),
    Report("syft.cyclonedx.json", "SBOM_CYCLONEDX_JSON", ("syft",),
           'syft scan -q dir:tests/cluster/tools --source-name avouch-cluster --source-version 1 '
           '-o cyclonedx-json="$OUT"'),
    Report("syft.spdx-2.3.json", "SBOM_SPDX_JSON", ("syft",),
           'syft scan -q dir:tests/cluster/tools --source-name avouch-cluster --source-version 1 -o spdx-json="$OUT"'),
    Report("syft.spdx-2.2.json", "SBOM_SPDX_JSON", ("syft",),
           'syft scan -q dir:tests/cluster/tools/helm --source-name helm -o spdx-json@2.2="$OUT"'),
    Report("sbom4python.cyclonedx.json", "SBOM_CYCLONEDX_JSON", ("sbom4python",),
           'sbom4python -r requirements/sidecar.txt --sbom cyclonedx --format json -o "$OUT"'),
    Report("sbom4python.spdx.json", "SBOM_SPDX_JSON", ("sbom4python",),
           'sbom4python -r requirements/sidecar.txt --sbom spdx --format json -o "$OUT"'),
    Report("npm.cyclonedx.json", "SBOM_CYCLONEDX_JSON", ("npm",),
           f'{_NODE} npm sbom --sbom-format cyclonedx > "$OUT"'),
    Report("npm.spdx.json", "SBOM_SPDX_JSON", ("npm",),
           f'{_NODE} npm sbom --sbom-format spdx > "$OUT"'),
    Report("cyclonedx-npm.json", "SBOM_CYCLONEDX_JSON", ("cyclonedx-npm",),
           f'{_NODE} cyclonedx-npm --output-reproducible --output-file "$OUT"'),
    Report("cdxgen.json", "SBOM_CYCLONEDX_JSON", ("cdxgen",),
           'cd tests/cluster/tools/helm; FETCH_LICENSE=false cdxgen -t go --no-install-deps -o "$OUT" .'),
    Report("maven.cyclonedx.json", "SBOM_CYCLONEDX_JSON", ("mvn",),
           f'{_JAVA} '
           'mvn -q -B org.cyclonedx:cyclonedx-maven-plugin:2.9.1:makeBom -DoutputFormat=json; cp target/bom.json "$OUT"'),
    Report("maven.spdx-2.3.json", "SBOM_SPDX_JSON", ("mvn",),
           f'{_JAVA} mvn -q -B org.spdx:spdx-maven-plugin:1.0.3:createSPDX '
           '-DspdxDocumentNamespace=https://example.com/app; cp target/site/*.spdx.json "$OUT"'),
    Report("spdx-tools.spdx-2.3.json", "SBOM_SPDX_JSON", ("spdx-tools", "syft"),
           'syft scan -q dir:tests/cluster/tools/helm --source-name helm -o spdx-tag-value="$SCRATCH/a.spdx"; '
           'pyspdxtools -i "$SCRATCH/a.spdx" -o "$OUT" --novalidation'),
    Report("spdx-tools.spdx-3.json", "SBOM_SPDX_JSON", ("spdx-tools", "syft"),
           'syft scan -q dir:tests/cluster/tools/etcd --source-name etcd -o spdx-json="$SCRATCH/a.spdx.json"; '
           'pyspdxtools3 -i "$SCRATCH/a.spdx.json" -o "$SCRATCH/three" --novalidation; cp "$SCRATCH"/three* "$OUT"'),
    Report("spdx-tools-java.spdx-3.json", "SBOM_SPDX_JSON", ("spdx-tools-java", "syft"),
           'cd "$SCRATCH"; syft scan -q "dir:$OLDPWD/tests/cluster/tools/etcd" --source-name etcd -o '
           'spdx-json=b.spdx.json; mvn -q -B dependency:copy '
           '-Dartifact=org.spdx:tools-java:2.0.1:jar:jar-with-dependencies -DoutputDirectory=spdx; '
           'java -jar spdx/tools-java-2.0.1-jar-with-dependencies.jar Convert b.spdx.json c.jsonld.json JSON JSONLD; '
           'cp c.jsonld.json "$OUT"'),
    Report("pytest.junit.xml", "JUNIT_XML", ("pytest",),
           '"$PYTHON" -m pytest -q -p no:cacheprovider tests/unit/contract --junitxml="$OUT" -o junit_family=xunit2'),
    Report("ruff.junit.xml", "JUNIT_XML", ("ruff",),
           'ruff check --no-cache --exit-zero --select D,N --output-format junit -o "$OUT" tests/unit/contract'),
    Report("checkov.junit.xml", "JUNIT_XML", ("checkov",),
           'checkov -f Dockerfile --framework dockerfile --quiet -o junitxml > "$OUT" || true'),
    Report("go.junit.xml", "JUNIT_XML", ("go-junit-report",),
           'go test -v encoding/csv | go-junit-report > "$OUT"'),
    Report("maven.junit.xml", "JUNIT_XML", ("mvn",),
           f'{_JAVA} mvn -q -B test; cp target/surefire-reports/TEST-*.xml "$OUT"'),
    Report("node.junit.xml", "JUNIT_XML", ("node",),
           'cd "$SCRATCH"; echo "require(\'node:test\')(\'one\', () => {})" > one.test.js; '
           'node --test --test-reporter=junit one.test.js > "$OUT"'),
    Report("coverage.cobertura.xml", "COBERTURA_XML", ("coverage",),
           'cd "$SCRATCH"; export PYTHONPATH="$(python -c \'import sysconfig; print(sysconfig.get_path("purelib"))\')'
           ':$PYTHONPATH"; "$PYTHON" -m coverage run --source=avouch.contract -m pytest -q -p no:cacheprovider '
           '"${OLDPWD}/tests/unit/contract/test_readers.py"; "$PYTHON" -m coverage xml -o "$OUT"'),
    Report("go.cobertura.xml", "COBERTURA_XML", ("gocover-cobertura",),
           'cp -r "$(go env GOROOT)/src/encoding/csv" "$SCRATCH/csv"; cd "$SCRATCH/csv"; go mod init example.com/csv; '
           'go test -coverprofile="$SCRATCH/cover.out" . >/dev/null || true; gocover-cobertura < "$SCRATCH/cover.out" > "$OUT"'),
    Report("jacoco.xml", "JACOCO_XML", ("mvn",),
           f'{_JAVA} mvn -q -B org.jacoco:jacoco-maven-plugin:0.8.13:prepare-agent '
           'test org.jacoco:jacoco-maven-plugin:0.8.13:report; cp target/site/jacoco/jacoco.xml "$OUT"'),
    Report("bandit.sarif", "SARIF", ("bandit",), 'bandit -q -r operator -f sarif -o "$OUT" || true'),
    Report("ruff.sarif", "SARIF", ("ruff",),
           'ruff check --no-cache --exit-zero --select ALL --output-format sarif -o "$OUT" operator/avouch/contract'),
    Report("semgrep.sarif", "SARIF", ("semgrep",),
           'semgrep scan -q --metrics off --disable-version-check --config "$PROGRAMS/rules.yaml" --sarif '
           '--output "$OUT" operator/avouch/contract'),
    Report("semgrep.gitlab-sast.json", "GITLAB_SECURITY_REPORT", ("semgrep",),
           'semgrep scan -q --metrics off --disable-version-check --config "$PROGRAMS/rules.yaml" --gitlab-sast '
           '--output "$OUT" operator/avouch/contract'),
    Report("semgrep.gitlab-secrets.json", "GITLAB_SECURITY_REPORT", ("semgrep",),
           'semgrep scan -q --metrics off --disable-version-check --config "$PROGRAMS/rules.yaml" --gitlab-secrets '
           '--output "$OUT" operator/avouch/contract'),
    Report("checkov.sarif", "SARIF", ("checkov",),
           'checkov -f Dockerfile --framework dockerfile --quiet -o sarif --output-file-path "$SCRATCH" || true; '
           'cp "$SCRATCH/results_sarif.sarif" "$OUT"'),
    Report("checkov.gitlab-sast.json", "GITLAB_SECURITY_REPORT", ("checkov",),
           'checkov -f Dockerfile --framework dockerfile --quiet -o gitlab_sast > "$OUT" || true'),
    Report("njsscan.sarif", "SARIF", ("njsscan",), 'njsscan --sarif -o "$OUT" docs || true'),
    Report("zizmor.sarif", "SARIF", ("zizmor",), 'zizmor --offline --format sarif . > "$OUT" || true'),
    Report("gosec.sarif", "SARIF", ("gosec",),
           'cd "$(go env GOROOT)/src/net/http/cgi"; gosec -no-fail -fmt sarif -out "$OUT" ./... || true'),
    Report("gosec.junit.xml", "JUNIT_XML", ("gosec",),
           'cd "$(go env GOROOT)/src/net/http/cgi"; gosec -no-fail -fmt junit-xml -out "$OUT" ./... || true'),
    Report("secretlint.sarif", "SARIF", ("secretlint",),
           'echo \'{"rules": [{"id": "@secretlint/secretlint-rule-preset-recommend"}]}\' > .secretlintrc.json; '
           'secretlint --format @secretlint/secretlint-formatter-sarif "tests/unit/contract/*" > "$OUT" || true'),
    Report("gitleaks.sarif", "SARIF", ("gitleaks",),
           'cd "$SCRATCH"; mkdir -p keys; openssl genpkey -algorithm ED25519 -out keys/a.pem; openssl genrsa -out '
           'keys/b.pem; gitleaks dir --redact --no-banner -f sarif -r "$OUT" keys || true'),
    Report("gitleaks.json", "GITLEAKS_JSON", ("gitleaks",),
           'cd "$SCRATCH"; mkdir -p keys; openssl genpkey -algorithm ED25519 -out keys/a.pem; openssl genrsa -out '
           'keys/b.pem; gitleaks dir --redact --no-banner -f json -r "$OUT" keys || true'),
    Report("gitleaks.clean.json", "GITLEAKS_JSON", ("gitleaks",),
           'gitleaks dir --redact --no-banner -f json -r "$OUT" docs', detected="ARTIFACT"),
    Report("detect-secrets.json", "YELP_DETECT_SECRETS_BASELINE", ("detect-secrets",),
           'detect-secrets scan --all-files tests/unit/contract > "$OUT"'),
    Report("lib4vex.openvex.json", "OPENVEX", ("lib4vex",), 'python "$PROGRAMS/vex.py" lib4vex openvex "$OUT"'),
    Report("vexipy.openvex.json", "OPENVEX", ("vexipy",), 'python "$PROGRAMS/vex.py" vexipy openvex "$OUT"'),
    Report("lib4vex.cyclonedx.json", "SBOM_CYCLONEDX_JSON", ("lib4vex",),
           'python "$PROGRAMS/vex.py" lib4vex cyclonedx "$OUT"'),
    Report("lib4vex.csaf.json", "CSAF_VEX", ("lib4vex",), 'python "$PROGRAMS/vex.py" lib4vex csaf "$OUT"'),
    Report("csaf-tool.json", "CSAF_VEX", ("csaf-tool",),
           'cd "$SCRATCH"; printf "product,vendor,release\\nurllib3,example,1.26.4\\n" > p.csv; '
           'printf "product,release,id,description,status,comment\\n'
           'urllib3,1.26.4,CVE-2021-33503,slow,vendor_fix,update\\n" > v.csv; '
           'csaf-tool -g -p p.csv -v v.csv -t avouch --header avouch --id avouch-1 -o "$OUT"'),
    Report("helm.tgz", "HELM_CHART", ("helm",),
           'helm package charts/avouch -d "$SCRATCH/chart" >/dev/null; cp "$SCRATCH"/chart/*.tgz "$OUT"', binary=True),
    Report("avouch.openapi.json", "OPENAPI_SPEC", ("avouch",),
           '"$PYTHON" -c "import sys; from avouch.ingest import openapi; '
           'sys.stdout.buffer.write(openapi.document())" > "$OUT"'),
    Report("kubernetes.swagger.json", "OPENAPI_SPEC", ("kubernetes",),
           'cd tests/cluster/tools/kubernetes; cp "$(GOFLAGS=-mod=mod go list -m -f "{{.Dir}}" k8s.io/kubernetes)'
           '/api/openapi-spec/v3/apis__coordination.k8s.io__v1_openapi.json" "$OUT"; chmod u+w "$OUT"'),
    Report("swag.swagger.json", "OPENAPI_SPEC", ("swag",),
           'mkdir -p "$SCRATCH/web"; cp "$PROGRAMS/web.go.txt" "$SCRATCH/web/main.go"; cd "$SCRATCH/web"; '
           'swag init -q --ot json -o out; cp out/swagger.json "$OUT"'),
    Report("faststream.asyncapi-3.0.json", "ASYNCAPI_SPEC", ("faststream",),
           'cd "$PROGRAMS"; faststream docs gen asyncapi:app --out "$OUT" >/dev/null'),
    Report("faststream.asyncapi-3.0.yaml", "ASYNCAPI_SPEC", ("faststream",),
           'cd "$PROGRAMS"; faststream docs gen asyncapi:app --yaml --out "$OUT" >/dev/null'),
    Report("strawberry.graphql", "GRAPHQL_SPEC", ("strawberry",),
           'cd "$PROGRAMS"; strawberry export-schema graph:schema > "$OUT"'),
    Report("cosign.slsa.json", "SLSA_PROVENANCE", ("cosign",),
           'cd "$SCRATCH"; export COSIGN_PASSWORD=; rm -f cosign.*; cosign generate-key-pair 2>/dev/null; '
           'cosign attest-blob --yes --key cosign.key --type slsaprovenance1 --predicate "$PROGRAMS/provenance.json" '
           '--use-signing-config=false --tlog-upload=false --new-bundle-format --bundle "$OUT" "$OLDPWD/Dockerfile"'),
)
# fmt: on
