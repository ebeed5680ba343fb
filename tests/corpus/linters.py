"""Reports of linters and of analysis in the corpus."""

from tests.corpus.report import JAVA, Report, api, tool
from tests.corpus.report import P as _P

_JS = 'rm -rf "$SCRATCH/js"; mkdir "$SCRATCH/js"; cp "$PROGRAMS/cart.js" "$SCRATCH/js"; cd "$SCRATCH/js";'
_RULES = (
    "echo \"module.exports = [{rules: {'no-unused-vars': 'error', 'no-var': 'error'}}]\" > eslint.config.cjs; "
    'MODULES="$(dirname "$(command -v eslint)")/..";'
)
_API = (
    'cd "$SCRATCH"; echo \'{"extends": ["spectral:oas"]}\' > .spectral.json; '
    'printf "openapi: 3.0.3\\ninfo: {title: Shop, version: \\"1\\"}\\npaths: {}\\n" > shop.yaml;'
)

# fmt: off
REPORTS = (
    Report("ruff.gitlab.json", "ARTIFACT", ("ruff",),
           'ruff check --no-cache --exit-zero --select D --output-format gitlab -o "$OUT" operator/avouch/contract'),
    Report("ruff.json-lines", "ARTIFACT", ("ruff",),
           'ruff check --no-cache --exit-zero --select D --output-format json-lines -o "$OUT" '
           'operator/avouch/contract'),
    Report("ruff.clean.sarif", "SARIF", ("ruff",),
           'ruff check --no-cache --exit-zero --isolated --select E9 --output-format sarif -o "$OUT" tests/corpus',
           tool("ruff", "0.17.6")),
    Report("bandit.json", "ARTIFACT", ("bandit",), 'bandit -q -r operator/avouch/contract -f json -o "$OUT" || true'),
    Report("bandit.xml", "JUNIT_XML", ("bandit",), 'bandit -q -r operator/avouch/contract -f xml -o "$OUT" || true'),
    Report("cfn-lint.sarif", "SARIF", ("cfn-lint",),
           'cfn-lint --format sarif "$PROGRAMS/template.yaml" > "$OUT" || true', tool("cfn-lint", "1.58.0")),
    Report("cfn-lint.junit.xml", "JUNIT_XML", ("cfn-lint",),
           'cfn-lint --format junit "$PROGRAMS/template.yaml" > "$OUT" || true'),
    Report("ansible-lint.sarif", "SARIF", ("ansible-lint",),
           'cd "$SCRATCH"; printf "%s\\n" "- hosts: all" "  tasks:" "    - shell: echo" > play.yml; '
           'ansible-lint --offline -q -f sarif play.yml > "$OUT" || true', tool("ansible-lint", "26.10.1")),
    Report("typos.sarif", "SARIF", ("typos",),
           'cd "$SCRATCH"; echo "recieve teh parcel" > letter.txt; typos --format sarif letter.txt > "$OUT" || true',
           tool("typos")),
    Report("hadolint.sarif", "SARIF", ("hadolint",), 'hadolint -f sarif Dockerfile > "$OUT" || true',
           tool("Hadolint", "2.15.1")),
    Report("hadolint.gitlab.json", "ARTIFACT", ("hadolint",),
           'hadolint -f gitlab_codeclimate Dockerfile > "$OUT" || true'),
    Report("lizard.xml", "ARTIFACT", ("lizard",), 'cd tests/corpus; lizard -X . > "$OUT"'),
    Report("reuse.spdx", "SBOM_SPDX_JSON", ("reuse",),
           'cd "$SCRATCH"; rm -rf r; mkdir r; cd r; echo "x = 1" > a.py; reuse spdx > "$OUT"',
           refused="it is SPDX in tag-value"),
    Report("fastapi.openapi-3.1.json", "OPENAPI_SPEC", ("fastapi",), 'python "$PROGRAMS/web.py" fastapi > "$OUT"',
           api("3.1.0", "Shop", "1.2")),
    Report("graphene.graphql", "GRAPHQL_SPEC", ("graphene",), 'python "$PROGRAMS/web.py" graphene > "$OUT"',
           {f"{_P}graphql.type_count": "1"}),
    Report("ariadne.graphql", "GRAPHQL_SPEC", ("ariadne",), 'python "$PROGRAMS/web.py" ariadne > "$OUT"',
           {f"{_P}graphql.type_count": "1"}),
    Report("eslint.sarif", "SARIF", ("eslint",),
           f'{_JS} {_RULES} eslint -f "$MODULES/@microsoft/eslint-formatter-sarif/sarif.js" -o "$OUT" cart.js || true',
           tool("ESLint", "10.15.0")),
    Report("eslint.junit.xml", "JUNIT_XML", ("eslint",),
           f'{_JS} {_RULES} eslint -f "$MODULES/eslint-formatter-junit/index.js" -o "$OUT" cart.js || true'),
    Report("spectral.sarif", "SARIF", ("spectral",),
           f'{_API} spectral lint -q -f sarif -o "$OUT" shop.yaml || true', tool("spectral", "6.16.2")),
    Report("spectral.junit.xml", "JUNIT_XML", ("spectral",),
           f'{_API} spectral lint -q -f junit -o "$OUT" shop.yaml || true'),
    Report("biome.junit.xml", "JUNIT_XML", ("biome",), f'{_JS} biome lint --reporter=junit cart.js > "$OUT" || true'),
    Report("biome.sarif", "SARIF", ("biome",), f'{_JS} biome lint --reporter=sarif cart.js > "$OUT" || true',
           tool("Biome")),
    Report("biome.gitlab.json", "ARTIFACT", ("biome",),
           f'{_JS} biome lint --reporter=gitlab cart.js > "$OUT" || true'),
    Report("oxlint.junit.xml", "JUNIT_XML", ("oxlint",), f'{_JS} oxlint -f junit cart.js > "$OUT" || true'),
    Report("oxlint.gitlab.json", "ARTIFACT", ("oxlint",), f'{_JS} oxlint -f gitlab cart.js > "$OUT" || true'),
    Report("htmlhint.junit.xml", "JUNIT_XML", ("htmlhint",),
           'cd "$SCRATCH"; echo "<p>x" > a.html; htmlhint -f junit a.html > "$OUT" || true'),
    Report("htmlhint.sarif", "SARIF", ("htmlhint",),
           'cd "$SCRATCH"; echo "<p>x" > a.html; htmlhint -f sarif a.html > "$OUT" || true',
           tool("HTMLHint", "1.9.2")),
    Report("markdownlint-cli2.sarif", "SARIF", ("markdownlint-cli2",),
           'rm -rf "$SCRATCH/md"; mkdir "$SCRATCH/md"; cd "$SCRATCH/md"; echo "#x" > a.md; echo \'{"outputFormatters": '
           '[["markdownlint-cli2-formatter-sarif"]]}\' > .markdownlint-cli2.jsonc; markdownlint-cli2 a.md || true; '
           'cp markdownlint-cli2-sarif.sarif "$OUT"', tool("markdownlint-cli2", "0.0.4")),
    Report("markdownlint-cli2.junit.xml", "JUNIT_XML", ("markdownlint-cli2",),
           'rm -rf "$SCRATCH/md"; mkdir "$SCRATCH/md"; cd "$SCRATCH/md"; echo "#x" > a.md; echo \'{"outputFormatters": '
           '[["markdownlint-cli2-formatter-junit"]]}\' > .markdownlint-cli2.jsonc; markdownlint-cli2 a.md || true; '
           'cp markdownlint-cli2-junit.xml "$OUT"'),
    Report("staticcheck.sarif", "SARIF", ("staticcheck",),
           'cd "$(go env GOROOT)/src/net/http/cgi"; staticcheck -checks all -f sarif . > "$OUT" || true',
           tool("Staticcheck", "2026.2.2")),
    Report("checkstyle.sarif", "SARIF", ("mvn",),
           f'{JAVA} mvn -q -B org.apache.maven.plugins:maven-checkstyle-plugin:3.6.0:checkstyle '
           '-Dcheckstyle.output.format=sarif; cp target/checkstyle-result.xml "$OUT"', tool("Checkstyle", "9.3")),
    Report("spotbugs.sarif", "SARIF", ("mvn",),
           f'{JAVA} mvn -q -B compile com.github.spotbugs:spotbugs-maven-plugin:4.9.3.0:spotbugs '
           '-Dspotbugs.sarifOutput=true; cp target/spotbugsSarif.json "$OUT"', tool("SpotBugs", "4.9.3")),
    Report("pmd.xml", "ARTIFACT", ("mvn",),
           f'{JAVA} mvn -q -B org.apache.maven.plugins:maven-pmd-plugin:3.26.0:pmd; cp target/pmd.xml "$OUT"'),
)
# fmt: on
