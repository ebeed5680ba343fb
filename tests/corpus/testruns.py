"""Reports of runs of tests, and of what they covered, in the corpus."""

from tests.corpus.report import Report

_CASES = 'cp "$PROGRAMS/shop_cases.py" "$SCRATCH/test_shop.py"; cd "$SCRATCH";'
_CART = 'rm -rf "$SCRATCH/cart"; mkdir "$SCRATCH/cart"; cp "$PROGRAMS"/cart*.js "$SCRATCH/cart"; cd "$SCRATCH/cart";'
_COVERED = (
    'cp "$PROGRAMS/shop_cases.py" "$SCRATCH/test_shop.py"; cd "$SCRATCH"; python -m coverage erase; '
    "python -m coverage run --branch --source=. test_shop.py || true; "
)
_GO = 'rm -rf "$SCRATCH/csv"; cp -r "$(go env GOROOT)/src/encoding/csv" "$SCRATCH/csv"; cd "$SCRATCH/csv";'

# fmt: off
REPORTS = (
    Report("pytest.xunit1.junit.xml", "JUNIT_XML", ("pytest",),
           f'{_CASES} "$PYTHON" -m pytest -q -p no:cacheprovider test_shop.py --junitxml="$OUT" '
           '-o junit_family=xunit1 || true'),
    Report("pytest.logging.junit.xml", "JUNIT_XML", ("pytest",),
           f'{_CASES} "$PYTHON" -m pytest -q -p no:cacheprovider test_shop.py --junitxml="$OUT" '
           '-o junit_logging=all -o junit_suite_name=shop || true'),
    Report("pytest.nothing.junit.xml", "JUNIT_XML", ("pytest",),
           f'{_CASES} "$PYTHON" -m pytest -q -p no:cacheprovider test_shop.py -k none --junitxml="$OUT" || true'),
    Report("nose2.junit.xml", "JUNIT_XML", ("nose2",),
           f'{_CASES} nose2 --plugin nose2.plugins.junitxml --junit-xml --junit-xml-path "$OUT" test_shop || true'),
    Report("unittest-xml-reporting.junit.xml", "JUNIT_XML", ("unittest-xml-reporting",),
           f'{_CASES} python -m xmlrunner test_shop --output-file "$OUT" || true'),
    Report("green.junit.xml", "JUNIT_XML", ("green",), f'{_CASES} green -s 1 -j "$OUT" test_shop || true'),
    Report("behave.junit.xml", "JUNIT_XML", ("behave",),
           'mkdir -p "$SCRATCH/features/steps"; cd "$SCRATCH"; printf "Feature: cart\\n  Scenario: full\\n    '
           'Given a cart\\n    Then it is full\\n" > features/cart.feature; printf "from behave import given\\n\\n'
           '@given(\'a cart\')\\ndef cart(context): pass\\n" > features/steps/cart.py; '
           'behave -q --junit --junit-directory out || true; cp out/TESTS-cart.xml "$OUT"'),
    Report("robot.junit.xml", "JUNIT_XML", ("robotframework",),
           'cd "$PROGRAMS"; robot --xunit "$OUT" --output NONE --log NONE --report NONE shop.robot || true'),
    Report("robot.output.xml", "ARTIFACT", ("robotframework",),
           'cd "$PROGRAMS"; robot --output "$OUT" --log NONE --report NONE shop.robot || true'),
    Report("mypy.junit.xml", "JUNIT_XML", ("mypy",),
           '"$PYTHON" -m mypy --cache-dir /dev/null --no-incremental --strict --junit-xml "$OUT" '
           'tests/corpus/programs/web.py || true'),
    Report("coverage.branch.cobertura.xml", "COBERTURA_XML", ("coverage",),
           f'{_COVERED} python -m coverage xml -q -o "$OUT"'),
    Report("coverage.json", "ARTIFACT", ("coverage",), f'{_COVERED} python -m coverage json -q -o "$OUT"'),
    Report("coverage.lcov", "COBERTURA_XML", ("coverage",), f'{_COVERED} python -m coverage lcov -q -o "$OUT"',
           refused="it is LCOV"),
    Report("node.tap", "JUNIT_XML", ("node",),
           'cd "$SCRATCH"; echo "require(\'node:test\')(\'one\', () => {})" > one.test.js; '
           'node --test --test-reporter=tap one.test.js > "$OUT"', refused="it is TAP"),
    Report("node.lcov", "COBERTURA_XML", ("node",),
           'cd "$SCRATCH"; echo "require(\'node:test\')(\'one\', () => {})" > one.test.js; node --test '
           '--experimental-test-coverage --test-reporter=lcov one.test.js > "$OUT"', refused="it is LCOV"),
    Report("node.failed.junit.xml", "JUNIT_XML", ("node",),
           'cd "$SCRATCH"; echo "const {describe, it} = require(\'node:test\'); describe(\'shop\', () => '
           '{ it(\'fails\', () => { throw new Error(\'<no>\') }); it.skip(\'later\') })" > two.test.js; '
           'node --test --test-reporter=junit two.test.js > "$OUT" || true'),
    Report("mocha.xunit.xml", "JUNIT_XML", ("mocha",),
           f'{_CART} mocha --reporter xunit --reporter-option output="$OUT" cart.test.js || true'),
    Report("mocha-junit-reporter.xml", "JUNIT_XML", ("mocha",),
           f'{_CART} mocha --reporter mocha-junit-reporter --reporter-options mochaFile="$OUT" cart.test.js || true'),
    Report("mocha.tap", "JUNIT_XML", ("mocha",),
           f'{_CART} mocha --reporter tap cart.test.js > "$OUT" || true', refused="it is TAP"),
    Report("tap-xunit.junit.xml", "JUNIT_XML", ("tap-xunit", "mocha"),
           f'{_CART} (mocha --reporter tap cart.test.js || true) | tap-xunit > "$OUT" || true'),
    Report("jest-junit.xml", "JUNIT_XML", ("jest",),
           f'{_CART} echo "{{}}" > package.json; JEST_JUNIT_OUTPUT_FILE="$OUT" jest --rootDir . '
           '--reporters="$(dirname "$(command -v jest)")/../jest-junit" || true'),
    Report("jest.cobertura.xml", "COBERTURA_XML", ("jest",),
           f'{_CART} echo "{{}}" > package.json; jest --rootDir . --coverage --coverageReporters=cobertura || true; '
           'cp coverage/cobertura-coverage.xml "$OUT"'),
    Report("jest.clover.xml", "COBERTURA_XML", ("jest",),
           f'{_CART} echo "{{}}" > package.json; jest --rootDir . --coverage --coverageReporters=clover || true; '
           'cp coverage/clover.xml "$OUT"', refused="invalid Cobertura report: it is Clover's"),
    Report("jest.lcov", "COBERTURA_XML", ("jest",),
           f'{_CART} echo "{{}}" > package.json; jest --rootDir . --coverage --coverageReporters=lcovonly || true; '
           'cp coverage/lcov.info "$OUT"', refused="it is LCOV"),
    Report("vitest.junit.xml", "JUNIT_XML", ("vitest",),
           f'{_CART} vitest run --globals --reporter=junit --outputFile="$OUT" || true'),
    Report("vitest.json", "ARTIFACT", ("vitest",),
           f'{_CART} vitest run --globals --reporter=json --outputFile="$OUT" || true'),
    Report("c8.cobertura.xml", "COBERTURA_XML", ("c8",),
           f'{_CART} c8 --reporter=cobertura -o cov node cart.js; cp cov/cobertura-coverage.xml "$OUT"'),
    Report("c8.clover.xml", "COBERTURA_XML", ("c8",),
           f'{_CART} c8 --reporter=clover -o cov node cart.js; cp cov/clover.xml "$OUT"',
           refused="invalid Cobertura report: it is Clover's"),
    Report("nyc.cobertura.xml", "COBERTURA_XML", ("nyc",),
           f'{_CART} nyc --reporter=cobertura --report-dir cov node cart.js; cp cov/cobertura-coverage.xml "$OUT"'),
    Report("cucumber.junit.xml", "JUNIT_XML", ("cucumber",),
           'rm -rf "$SCRATCH/cuke"; mkdir -p "$SCRATCH/cuke/features"; cd "$SCRATCH/cuke"; printf "Feature: cart\\n'
           '  Scenario: full\\n    Given a cart\\n" > features/cart.feature; '
           'cucumber-js --format "junit:$OUT" || true'),
    Report("playwright.junit.xml", "JUNIT_XML", ("playwright",),
           'rm -rf "$SCRATCH/play"; mkdir "$SCRATCH/play"; cd "$SCRATCH/play"; ln -s "$(dirname "$(dirname '
           '"$(command -v playwright)")")" node_modules; echo "const {test, expect} = require(\'@playwright/test\'); '
           'test(\'sum\', () => expect(1 + 1).toBe(2))" > one.spec.js; '
           'PLAYWRIGHT_JUNIT_OUTPUT_NAME="$OUT" playwright test --reporter=junit || true'),
    Report("gotestsum.junit.xml", "JUNIT_XML", ("gotestsum",), 'gotestsum --junitfile "$OUT" encoding/csv >/dev/null'),
    Report("go.cover", "COBERTURA_XML", ("go",),
           f'{_GO} go mod init example.com/csv; go test -coverprofile="$OUT" . >/dev/null || true',
           refused="it is a coverage profile of Go"),
)
# fmt: on
