import base64
import time

import pytest

from avouch.runners import credentials

WORDS = "abcdefghijklmnopqrstuvwxyz0123456789" * 3
UPPER = WORDS.upper().replace("0", "A").replace("1", "B").replace("8", "C").replace("9", "D")
JWT = ".".join(base64.urlsafe_b64encode(part).decode().strip("=") for part in (b'{"alg":"RS256"}', b'{"sub":"ann"}'))


# Put together here, so that no scanner takes the pieces for a find.
@pytest.mark.parametrize(
    "value",
    [
        "-----BEGIN " + "PRIVATE KEY-----\nMII",
        "-----BEGIN RSA " + "PRIVATE KEY-----",
        "-----BEGIN OPENSSH " + "PRIVATE KEY-----",
        "-----BEGIN PGP " + "PRIVATE KEY BLOCK-----",
        "AGE-SECRET-KEY-1" + UPPER[:58],
        "client-key-data: LS0t",
        '{"private_' + 'key": "x"}',
        f"{JWT}.sig",
        f"Bearer {JWT}.",
        "ghp_" + WORDS[:36],
        "ghs_" + WORDS[:36],
        "github_pat_" + WORDS[:40],
        "glpat-" + WORDS[:20],
        "avouch_" + "abcdefghijklmnop" + "_" + WORDS[:43],
        "glcbt-64_" + WORDS[:20],
        "xoxb-1" + WORDS[:20],
        "https://hooks.slack" + ".com/services/T0/B0/x",
        "https://discord" + ".com/api/webhooks/123/x",
        "AKIA" + "QWERTYUIOPASDFGH",
        "AIza" + WORDS[:35],
        "AccountKey=" + WORDS[:40],
        "hvs." + WORDS[:24],
        WORDS[:14] + ".atlasv1." + WORDS[:40],
        "npm_" + WORDS[:36],
        "//registry.example/:_authToken=x",
        "pypi-Ag" + WORDS[:40],
        "dckr_pat_" + WORDS[:27],
        "sk_live_" + WORDS[:24],
        "sk-ant-" + WORDS[:40],
        "sk-" + WORDS[:48],
        "hf_" + WORDS[:34],
        "dop_v1_" + "0123456789abcdef" * 4,
        "Authorization: Basic YW5uOmh1bnRlcjI=",
        "https://user:pw@git.example/a.git",
        "https://:pw@git.example/a.git",
        "postgresql://avouch:pw@db/avouch",
        "https://ghs_" + WORDS[:36] + "@git.example/a.git",
        "https://files.example/a?x=1&sig=" + WORDS[:20],
        "https://files.example/a?X-Amz-Signature=" + WORDS[:20],
        "https://git.example/api?private_token=" + WORDS[:20],
    ],
)
def test_a_known_form_of_credential_is_found_whatever_the_variable_is_called(value):
    assert credentials.found("NOTE", value)
    assert credentials.found("NOTE", f"see {value} there")
    assert credentials.withheld(value).startswith("[withheld: it looks like a")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DEPLOY_TOKEN", "abc"),
        ("deploy_token", "abc"),
        ("DB_PASSWORD", "hunter2"),
        ("DB_PASS", "correct horse"),
        ("DB_PWD", "x"),
        ("TOKEN", "1234"),
        ("AWS_SECRET_ACCESS_KEY", f"/{WORDS[:39]}"),
        ("SONAR_APIKEY", "x"),
        ("SONAR_API_KEY", "x"),
        ("MY_PAT", "x"),
        ("COSIGN_PASSPHRASE", "x"),
        ("GOOGLE_CREDENTIALS", "{}"),
        ("LICENSE_KEY", WORDS[:32]),
        ("PROXY_AUTH", base64.b64encode(b"someone:something").decode()),
    ],
)
def test_a_name_that_promises_a_secret_is_believed(name, value):
    assert credentials.found(name, value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("GITHUB_SHA", "ace3ab241dd4de68d4075c629a123f3541b0e7ca"),
        ("IMAGE", f"registry.example/app@sha256:{'0123456789abcdef' * 4}"),
        ("BUILD_REPOSITORY_URI", "https://acme@dev.azure.example/acme/app/_git/app"),
        ("REMOTE", "git@git.example:acme/app.git"),
        ("PROXY", "http://proxy.example:3128"),
        ("BUILD_BUILDURI", "vstfs:///Build/Build/42"),
        ("USE_TOKEN", "true"),
        ("HAS_PASSWORD", "0"),
        ("DEPLOY_TOKEN", ""),
        ("DEPLOY_TOKEN", "*****"),
        ("SIGNING_KEY", "/etc/keys/cosign.key"),
        ("PRIVATE_KEY", "./id_ed25519"),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", "/var/run/secrets/token"),
        ("PWD", "/builds/app"),
        ("OLDPWD", "/builds/app"),
        ("CACHE_KEY", f"linux-{WORDS[:32]}"),
        ("SORT_KEY", "name"),
        ("MESSAGE", "rotate the token, then the password: both are old"),
        ("MAIL", "ann@example.com"),
        ("TIME", "10:30@noon"),
        ("WINDOWS", "C:\\work\\app"),
        ("QUERY", "https://ci.example/?page=2&token="),
        ("GITHUB_REF", "refs/heads/sk-translation-of-the-documentation"),
        ("GITHUB_REPOSITORY", "acme/xapp-dashboard-frontend"),
        ("CI_PROJECT_PATH", "acme/pypi-mirror-for-all-of-our-many-teams"),
        ("NOTE", "send Authorization: Bearer $TOKEN, or https://user:$PASSWORD@host and https://user:<password>@host"),
    ],
)
def test_what_is_no_credential_is_recorded(name, value):
    assert credentials.found(name, value) == ""


@pytest.mark.parametrize(
    "unit", ["a://", "eyJ", "-----BEGIN ", "A" * 15 + ".", "?sig=", "authorization: ", "/", "a:b@"]
)
def test_looking_takes_time_in_proportion_to_the_value(unit):
    value = (unit * 200_000)[:200_000]
    start = time.process_time()
    credentials.found("A_TOKEN", value)
    assert time.process_time() - start < 5
