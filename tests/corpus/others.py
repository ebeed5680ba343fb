"""Secrets, statements on vulnerabilities, charts, descriptions of APIs and provenance in the corpus."""

from tests.corpus.report import P, Report, alone, api, main, tool

# fmt: off
REPORTS = (
    Report("gitleaks.sarif", "SARIF", ("gitleaks",),
           'cd "$SCRATCH"; mkdir -p keys; openssl genpkey -algorithm ED25519 -out keys/a.pem; openssl genrsa -out '
           'keys/b.pem; gitleaks dir --redact --no-banner -f sarif -r "$OUT" keys || true',
           tool("gitleaks", "v8.0.0")),
    Report("gitleaks.json", "GITLEAKS_JSON", ("gitleaks",),
           'cd "$SCRATCH"; mkdir -p keys; openssl genpkey -algorithm ED25519 -out keys/a.pem; openssl genrsa -out '
           'keys/b.pem; gitleaks dir --redact --no-banner -f json -r "$OUT" keys || true',
           alone("gitleaks")),
    Report("gitleaks.clean.json", "GITLEAKS_JSON", ("gitleaks",),
           'gitleaks dir --redact --no-banner -f json -r "$OUT" docs', detected="ARTIFACT",
           expected=alone("gitleaks")),
    Report("detect-secrets.json", "YELP_DETECT_SECRETS_BASELINE", ("detect-secrets",),
           'detect-secrets scan --all-files tests/unit/contract > "$OUT"',
           alone("detect-secrets", "1.5.0")),
    Report("lib4vex.openvex.json", "OPENVEX", ("lib4vex",), 'python "$PROGRAMS/vex.py" lib4vex openvex "$OUT"',
           refused="not valid OpenVEX: timestamp: \"2026-11-21T19:57:38\" is not a \"date-time\""),
    Report("vexipy.openvex.json", "OPENVEX", ("vexipy",), 'python "$PROGRAMS/vex.py" vexipy openvex "$OUT"'),
    Report("lib4vex.cyclonedx.json", "SBOM_CYCLONEDX_JSON", ("lib4vex",),
           'python "$PROGRAMS/vex.py" lib4vex cyclonedx "$OUT"',
           main("avouch", "application", "0.1.0") | tool("lib4vex", "0.2.3")
           | {f"{P}sbom.vulnerabilities_report": "true"}),
    Report("lib4vex.csaf.json", "CSAF_VEX", ("lib4vex",), 'python "$PROGRAMS/vex.py" lib4vex csaf "$OUT"',
           tool("csaf-tool", "0.3.2")),
    Report("csaf-tool.json", "CSAF_VEX", ("csaf-tool",),
           'cd "$SCRATCH"; printf "product,vendor,release\\nurllib3,example,1.26.4\\n" > p.csv; '
           'printf "product,release,id,description,status,comment\\n'
           'urllib3,1.26.4,CVE-2021-33503,slow,vendor_fix,update\\n" > v.csv; '
           'csaf-tool -g -p p.csv -v v.csv -t avouch --header avouch --id avouch-1 -o "$OUT"',
           tool("csaf-tool", "0.3.2")),
    Report("helm.tgz", "HELM_CHART", ("helm",),
           'helm package charts/avouch -d "$SCRATCH/chart" >/dev/null; cp "$SCRATCH"/chart/*.tgz "$OUT"', binary=True),
    Report("avouch.openapi.json", "OPENAPI_SPEC", ("avouch",),
           '"$PYTHON" -c "import sys; from avouch.ingest import openapi; '
           'sys.stdout.buffer.write(openapi.document())" > "$OUT"',
           api("3.1.0", "avouch ingest API", "0.1.0")),
    Report("kubernetes.swagger.json", "OPENAPI_SPEC", ("kubernetes",),
           'cd tests/cluster/tools/kubernetes; cp "$(GOFLAGS=-mod=mod go list -m -f "{{.Dir}}" k8s.io/kubernetes)'
           '/api/openapi-spec/v3/apis__coordination.k8s.io__v1_openapi.json" "$OUT"; chmod u+w "$OUT"',
           api("3.0.0", "Kubernetes", "unversioned")),
    Report("swag.swagger.json", "OPENAPI_SPEC", ("swag",),
           'mkdir -p "$SCRATCH/web"; cp "$PROGRAMS/web.go.txt" "$SCRATCH/web/main.go"; cd "$SCRATCH/web"; '
           'swag init -q --ot json -o out; cp out/swagger.json "$OUT"',
           api("2.0", "Shop", "1.2")),
    Report("faststream.asyncapi-3.0.json", "ASYNCAPI_SPEC", ("faststream",),
           'cd "$PROGRAMS"; faststream docs gen asyncapi:app --out "$OUT" >/dev/null',
           api("3.0.0", "FastStream", "0.1.0", "kafka")),
    Report("faststream.asyncapi-3.0.yaml", "ASYNCAPI_SPEC", ("faststream",),
           'cd "$PROGRAMS"; faststream docs gen asyncapi:app --yaml --out "$OUT" >/dev/null',
           api("3.0.0", "FastStream", "0.1.0", "kafka")),
    Report("strawberry.graphql", "GRAPHQL_SPEC", ("strawberry",),
           'cd "$PROGRAMS"; strawberry export-schema graph:schema > "$OUT"',
           {f"{P}graphql.type_count": "2"} | {f"{P}graphql.directives": "shortened"}),
    Report("cosign.slsa.json", "SLSA_PROVENANCE", ("cosign",),
           'cd "$SCRATCH"; export COSIGN_PASSWORD=; rm -f cosign.*; cosign generate-key-pair 2>/dev/null; '
           'cosign attest-blob --yes --key cosign.key --type slsaprovenance1 --predicate "$PROGRAMS/provenance.json" '
           '--use-signing-config=false --tlog-upload=false --new-bundle-format --bundle "$OUT" "$OLDPWD/Dockerfile"'),
    Report("chainloop.attestation.json", "ATTESTATION", ("chainloop",),
           'cp tests/assets/chainloop-run/bundle.json "$OUT"'),
)
# fmt: on
