"""SBOMs of the corpus."""

from tests.corpus.report import JAVA, NODE, Report, main, tool

# fmt: off
REPORTS = (
    Report("cyclonedx-py.environment.json", "SBOM_CYCLONEDX_JSON", ("cyclonedx-py",),
           'cyclonedx-py environment --output-reproducible --pyproject pyproject.toml --of JSON -o "$OUT" "$PYTHON"',
           main("avouch", "application") | tool("cyclonedx-py", "7.5.0", "cyclonedx-python-lib@11.12.0")),
    Report("cyclonedx-py.requirements-1.4.json", "SBOM_CYCLONEDX_JSON", ("cyclonedx-py",),
           'cyclonedx-py requirements --output-reproducible --sv 1.4 --of JSON -o "$OUT" requirements/sidecar.txt',
           tool("cyclonedx-py", "7.5.0", "cyclonedx-python-lib@11.12.0")),
    Report("cyclonedx-py.requirements-1.5.json", "SBOM_CYCLONEDX_JSON", ("cyclonedx-py",),
           'cyclonedx-py requirements --output-reproducible --sv 1.5 --of JSON -o "$OUT" requirements/sidecar.txt',
           tool("cyclonedx-py", "7.5.0", "cyclonedx-python-lib@11.12.0")),
    Report("cyclonedx-py.requirements-1.7.json", "SBOM_CYCLONEDX_JSON", ("cyclonedx-py",),
           'cyclonedx-py requirements --output-reproducible --sv 1.7 --of JSON -o "$OUT" requirements/sidecar.txt',
           tool("cyclonedx-py", "7.5.0", "cyclonedx-python-lib@11.12.0")),
    Report("pip-audit.cyclonedx.json", "SBOM_CYCLONEDX_JSON", ("pip-audit",),
           'pip-audit -r requirements/sidecar.txt --disable-pip -f cyclonedx-json -o "$OUT" || true'),
    Report("pip-audit.json", "ARTIFACT", ("pip-audit",),
           'pip-audit -r requirements/sidecar.txt --disable-pip -f json -o "$OUT" || true'),
    Report("syft.cyclonedx.json", "SBOM_CYCLONEDX_JSON", ("syft",),
           'syft scan -q dir:tests/cluster/tools --source-name avouch-cluster --source-version 1 '
           '-o cyclonedx-json="$OUT"',
           main("avouch-cluster", "file", "1") | tool("syft", "1.18.1")),
    Report("syft.spdx-2.3.json", "SBOM_SPDX_JSON", ("syft",),
           'syft scan -q dir:tests/cluster/tools --source-name avouch-cluster --source-version 1 -o spdx-json="$OUT"',
           main("avouch-cluster", "file", "1") | tool("syft", "1.18.1")),
    Report("syft.spdx-2.2.json", "SBOM_SPDX_JSON", ("syft",),
           'syft scan -q dir:tests/cluster/tools/helm --source-name helm -o spdx-json@2.2="$OUT"',
           main("helm") | tool("syft", "1.18.1")),
    Report("sbom4python.cyclonedx.json", "SBOM_CYCLONEDX_JSON", ("sbom4python",),
           'sbom4python -r requirements/sidecar.txt --sbom cyclonedx --format json -o "$OUT"',
           main("Python-requirements/sidecar.txt", "application") | tool("sbom4python", "0.12.6")),
    Report("sbom4python.spdx.json", "SBOM_SPDX_JSON", ("sbom4python",),
           'sbom4python -r requirements/sidecar.txt --sbom spdx --format json -o "$OUT"',
           main("cffi", "application", "2.1.1 \\") | tool("sbom4python", "0.12.6")),
    Report("npm.cyclonedx.json", "SBOM_CYCLONEDX_JSON", ("npm",),
           f'{NODE} npm sbom --sbom-format cyclonedx > "$OUT"',
           main("n", "library", "1.0.0") | tool("cli", "11.19.1")),
    Report("npm.spdx.json", "SBOM_SPDX_JSON", ("npm",),
           f'{NODE} npm sbom --sbom-format spdx > "$OUT"',
           main("example", "library", "1.0.0") | tool("npm/cli", "11.19.1")),
    Report("cyclonedx-npm.json", "SBOM_CYCLONEDX_JSON", ("cyclonedx-npm",),
           f'{NODE} cyclonedx-npm --output-reproducible --output-file "$OUT"',
           main("example", "application", "1.0.0")
           | tool("npm", "11.19.1", "cyclonedx-library@10.3.0", "cyclonedx-npm@6.0.1")),
    Report("cdxgen.json", "SBOM_CYCLONEDX_JSON", ("cdxgen",),
           'cd tests/cluster/tools/helm; FETCH_LICENSE=false cdxgen -t go --no-install-deps -o "$OUT" .',
           main("avouch.test/tools/helm", "application") | tool("cdxgen", "12.8.4")),
    Report("maven.cyclonedx.json", "SBOM_CYCLONEDX_JSON", ("mvn",),
           f'{JAVA} '
           'mvn -q -B org.cyclonedx:cyclonedx-maven-plugin:2.9.1:makeBom -DoutputFormat=json; '
           'cp target/bom.json "$OUT"',
           main("app", "library", "1.0") | tool("cyclonedx-maven-plugin", "2.9.1")),
    Report("maven.spdx-2.3.json", "SBOM_SPDX_JSON", ("mvn",),
           f'{JAVA} mvn -q -B org.spdx:spdx-maven-plugin:1.0.3:createSPDX '
           '-DspdxDocumentNamespace=https://example.com/app; cp target/site/*.spdx.json "$OUT"',
           main("app", "library", "1.0") | tool("spdx-maven-plugin")),
    Report("spdx-tools.spdx-2.3.json", "SBOM_SPDX_JSON", ("spdx-tools", "syft"),
           'syft scan -q dir:tests/cluster/tools/helm --source-name helm -o spdx-tag-value="$SCRATCH/a.spdx"; '
           'pyspdxtools -i "$SCRATCH/a.spdx" -o "$OUT" --novalidation',
           main("helm", "file") | tool("syft", "1.18.1")),
    Report("spdx-tools.spdx-3.json", "SBOM_SPDX_JSON", ("spdx-tools", "syft"),
           'syft scan -q dir:tests/cluster/tools/etcd --source-name etcd -o spdx-json="$SCRATCH/a.spdx.json"; '
           'pyspdxtools3 -i "$SCRATCH/a.spdx.json" -o "$SCRATCH/three" --novalidation; cp "$SCRATCH"/three* "$OUT"',
           refused="not an SPDX SBOM: neither spdxVersion nor the @context and @graph of SPDX 3"),
    Report("spdx-tools-java.spdx-3.json", "SBOM_SPDX_JSON", ("spdx-tools-java", "syft"),
           'cd "$SCRATCH"; syft scan -q "dir:$OLDPWD/tests/cluster/tools/etcd" --source-name etcd -o '
           'spdx-json=b.spdx.json; mvn -q -B dependency:copy '
           '-Dartifact=org.spdx:tools-java:2.0.1:jar:jar-with-dependencies -DoutputDirectory=spdx; '
           'java -jar spdx/tools-java-2.0.1-jar-with-dependencies.jar Convert b.spdx.json c.jsonld.json JSON JSONLD; '
           'cp c.jsonld.json "$OUT"',
           main("etcd", "file") | tool("syft", "1.18.1")),
)
# fmt: on
