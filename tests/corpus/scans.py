"""Reports of tests and of scanners in the corpus."""

from tests.corpus.report import JAVA, Report, tool

# fmt: off
REPORTS = (
    Report("pytest.junit.xml", "JUNIT_XML", ("pytest",),
           '"$PYTHON" -m pytest -q -p no:cacheprovider tests/unit/contract/test_readers.py '
           '--junitxml="$OUT" -o junit_family=xunit2'),
    Report("ruff.junit.xml", "JUNIT_XML", ("ruff",),
           'ruff check --no-cache --exit-zero --select D,N --output-format junit -o "$OUT" tests/unit/contract'),
    Report("checkov.junit.xml", "JUNIT_XML", ("checkov",),
           'checkov -f Dockerfile --framework dockerfile --quiet -o junitxml > "$OUT" || true'),
    Report("go.junit.xml", "JUNIT_XML", ("go-junit-report",),
           'go test -v encoding/csv | go-junit-report > "$OUT"'),
    Report("maven.junit.xml", "JUNIT_XML", ("mvn",),
           f'{JAVA} mvn -q -B test; cp target/surefire-reports/TEST-*.xml "$OUT"'),
    Report("node.junit.xml", "JUNIT_XML", ("node",),
           'cd "$SCRATCH"; echo "require(\'node:test\')(\'one\', () => {})" > one.test.js; '
           'node --test --test-reporter=junit one.test.js > "$OUT"'),
    Report("coverage.cobertura.xml", "COBERTURA_XML", ("coverage",),
           'cd "$SCRATCH"; export PYTHONPATH="$(python -c \'import sysconfig; print(sysconfig.get_path("purelib"))\')'
           ':$PYTHONPATH"; "$PYTHON" -m coverage run --source=avouch.contract -m pytest -q -p no:cacheprovider '
           '"${OLDPWD}/tests/unit/contract/test_readers.py"; "$PYTHON" -m coverage xml -o "$OUT"'),
    Report("go.cobertura.xml", "COBERTURA_XML", ("gocover-cobertura",),
           'cp -r "$(go env GOROOT)/src/encoding/csv" "$SCRATCH/csv"; cd "$SCRATCH/csv"; go mod init example.com/csv; '
           'go test -coverprofile="$SCRATCH/cover.out" . >/dev/null || true; '
           'gocover-cobertura < "$SCRATCH/cover.out" > "$OUT"'),
    Report("jacoco.xml", "JACOCO_XML", ("mvn",),
           f'{JAVA} mvn -q -B org.jacoco:jacoco-maven-plugin:0.8.13:prepare-agent '
           'test org.jacoco:jacoco-maven-plugin:0.8.13:report; cp target/site/jacoco/jacoco.xml "$OUT"'),
    Report("bandit.sarif", "SARIF", ("bandit",), 'bandit -q -r operator -f sarif -o "$OUT" || true',
           tool("Bandit", "1.9.4")),
    Report("ruff.sarif", "SARIF", ("ruff",),
           'ruff check --no-cache --exit-zero --select ALL --output-format sarif -o "$OUT" operator/avouch/contract',
           tool("ruff", "0.17.6")),
    Report("semgrep.sarif", "SARIF", ("semgrep",),
           'semgrep scan -q --metrics off --disable-version-check --config "$PROGRAMS/rules.yaml" --sarif '
           '--output "$OUT" operator/avouch/contract',
           tool("Semgrep OSS", "1.182.0")),
    Report("semgrep.gitlab-sast.json", "GITLAB_SECURITY_REPORT", ("semgrep",),
           'semgrep scan -q --metrics off --disable-version-check --config "$PROGRAMS/rules.yaml" --gitlab-sast '
           '--output "$OUT" operator/avouch/contract',
           tool("Semgrep", "1.182.0")),
    Report("semgrep.gitlab-secrets.json", "GITLAB_SECURITY_REPORT", ("semgrep",),
           'semgrep scan -q --metrics off --disable-version-check --config "$PROGRAMS/rules.yaml" --gitlab-secrets '
           '--output "$OUT" operator/avouch/contract',
           tool("Semgrep", "1.182.0")),
    Report("checkov.sarif", "SARIF", ("checkov",),
           'checkov -f Dockerfile --framework dockerfile --quiet -o sarif --output-file-path "$SCRATCH" || true; '
           'cp "$SCRATCH/results_sarif.sarif" "$OUT"',
           tool("Checkov", "3.3.30")),
    Report("checkov.gitlab-sast.json", "GITLAB_SECURITY_REPORT", ("checkov",),
           'checkov -f Dockerfile --framework dockerfile --quiet -o gitlab_sast > "$OUT" || true',
           tool("Checkov", "3.3.30")),
    Report("njsscan.sarif", "SARIF", ("njsscan",), 'njsscan --sarif -o "$OUT" docs || true',
           tool("nodejsscan", "1.0.2")),
    Report("zizmor.sarif", "SARIF", ("zizmor",), 'zizmor --offline --format sarif . > "$OUT" || true',
           tool("zizmor", "1.32.0")),
    Report("gosec.sarif", "SARIF", ("gosec",),
           'cd "$(go env GOROOT)/src/net/http/cgi"; gosec -no-fail -fmt sarif -out "$OUT" ./... || true',
           tool("gosec", "dev")),
    Report("gosec.junit.xml", "JUNIT_XML", ("gosec",),
           'cd "$(go env GOROOT)/src/net/http/cgi"; gosec -no-fail -fmt junit-xml -out "$OUT" ./... || true',
           refused="invalid JUnit XML file: it holds no testsuite"),
    Report("secretlint.sarif", "SARIF", ("secretlint",),
           'echo \'{"rules": [{"id": "@secretlint/secretlint-rule-preset-recommend"}]}\' > .secretlintrc.json; '
           'secretlint --format @secretlint/secretlint-formatter-sarif "tests/unit/contract/*" > "$OUT" || true',
           tool("secretlint", "1.0.0")),
)
# fmt: on
