"""Detects values that look like credentials. Attestations are public for good, so they must not contain such values.

1. A known form anywhere in the value: a private key, a JSON Web Token, a token that carries its maker's prefix, an
   authorization header, a URL with a password or with a signed query.
2. A variable whose name promises a secret (`..._TOKEN`, `..._PASSWORD`) and whose value is more than a switch, a path
   or an address: a weak password has no entropy to measure.
3. Under a name that merely hints (`..._KEY`, `..._AUTH`), a value as random as generated keys are.
An unknown form under a neutral name is not found; therefore only listed variables are recorded, never all.
"""

import math
import re
from collections import Counter
from typing import NamedTuple


class _Form(NamedTuple):
    name: str
    pattern: str

    def seen(self, text: str) -> bool:
        """Compiled on first use (re caches it), because each start of the command line costs build time."""
        return re.search(self.pattern, text, re.ASCII) is not None


# Every quantifier is bounded or followed by nothing it could also match: the time is linear in the value.
_FORMS = (
    _Form("a private key", r"-----BEGIN (?:[A-Z0-9]{1,20} ){0,3}PRIVATE KEY(?: BLOCK)?-----|PuTTY-User-Key-File-"),
    _Form("a private key", r"AGE-SECRET-KEY-1|client-key-data:|\"private_key\"\s{0,8}:"),
    _Form("a JSON Web Token", r"\beyJ[A-Za-z0-9_-]{8,4096}\.eyJ[A-Za-z0-9_-]{8,}"),
    _Form("a GitHub token", r"\bgh[pousr]_[A-Za-z0-9]{30,}|\bgithub_pat_[A-Za-z0-9_]{30,}"),
    _Form("a GitLab token", r"\bgl(?:pat|dt|rt|cbt|ptt|ft|soat|oas|agent|imt|ffct|wt)-[A-Za-z0-9_-]{16,}"),
    _Form("an avouch token", r"\bavouch_[a-z2-7]{16}_[A-Za-z0-9_-]{43}"),
    _Form("a Slack token", r"\bxox[abeoprs]-[0-9][A-Za-z0-9-]{9,}|\bxapp-[0-9]-[A-Za-z0-9-]{10,}"),
    _Form("a webhook address", r"hooks\.slack\.com/(?:services|workflows)/|discord(?:app)?\.com/api/webhooks/\d"),
    _Form("an AWS access key", r"\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}\b"),
    _Form("a Google credential", r"\bAIza[A-Za-z0-9_-]{35}|\bya29\.[A-Za-z0-9_-]{20,}|\bGOCSPX-[A-Za-z0-9_-]{20,}"),
    _Form("an Azure credential", r"(?:AccountKey|SharedAccessKey|SharedAccessSignature)=[A-Za-z0-9+/=%&]{20,}"),
    _Form("a Vault token", r"\bhv[sbr]\.[A-Za-z0-9_-]{24,}"),
    _Form("a Terraform Cloud token", r"[A-Za-z0-9]{14}\.atlasv1\.[A-Za-z0-9_-]{20,}"),
    _Form("a package registry token", r"\bnpm_[A-Za-z0-9]{30,}|\bpypi-Ag[A-Za-z0-9_-]{30,}|_authToken=\S"),
    _Form("a Docker Hub token", r"\bdckr_(?:pat|oat)_[A-Za-z0-9_-]{20,}"),
    _Form("a payment token", r"\b[sr]k_(?:live|test)_[A-Za-z0-9]{16,}"),
    _Form(
        "an AI provider's token",
        r"\bsk-(?:ant|proj|svcacct)-[A-Za-z0-9_-]{20,}|\bsk-[A-Za-z0-9]{40,}|\bhf_[A-Za-z0-9]{30,}",
    ),
    _Form(
        "a cloud provider's token",
        r"\bdo[pro]_v1_[a-f0-9]{30,}|\bdapi[a-f0-9]{32}|\bSG\.[A-Za-z0-9_-]{16,64}\.[A-Za-z0-9_-]{16,}",
    ),
    _Form("a CI token", r"\bCCIPAT_[A-Za-z0-9_]{20,}|\bbkua_[a-f0-9]{30,}|\bsqp_[a-f0-9]{30,}"),
    _Form(
        "an authorization header",
        r"(?i:\b(?:authorization\s{0,4}[:=]\s{0,4})(?:bearer|basic|token)\s{1,4}[A-Za-z0-9._~+/=-]{8,})",
    ),
    _Form("a URL with a password", r"\b[a-zA-Z][a-zA-Z0-9+.-]{1,31}://[^\s/@:]{0,255}:(?![$<{*])[^\s/@]{1,4096}@"),
    _Form(
        "a URL with a credential",
        r"(?i:[?&](?:access_token|auth_token|private_token|token|api_?key|password|client_secret|sig|"
        r"x-amz-signature|x-amz-security-token|x-goog-signature)=[^\s&]{6,})",
    ),
)
# Not compiled here either: 1 ms of each command.
_PROMISES = (
    r"(?:^|_)(?:TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE|PASS|PWD|PAT|CREDENTIALS?|API_?KEY|ACCESS_?KEY|PRIVATE_?KEY|"
    r"SECRET_?KEY|SIGNING_?KEY)$"
)
_HINTS = r"(?<!CACHE)(?<!PUBLIC)_KEY$|(?:^|_)(?:AUTH|SESSION|COOKIE|DSN)$"
_DIRECTORIES = frozenset({"PWD", "OLDPWD"})  # POSIX: the working directory
_HARMLESS = r"(?i:true|false|yes|no|on|off|null|none|\d{0,3}|[*]+|(?:[A-Za-z]:)?[\\/.~][\w./\\ -]*|https?://[\w.:/-]+)"
_RANDOM = r"[A-Za-z0-9+/=_-]{20,}"
_BITS = 3.5  # per character: hexadecimal of 32 random characters has about 3.6, English words about 3 and less


def found(name: str, value: str) -> str:
    """What kind of credential the value of a variable looks like; empty when it looks like none.

    >>> found("CI_REPOSITORY_URL", "https://gitlab-ci-token:x@git.example/a.git")
    'a URL with a password'
    >>> found("DEPLOY_PASSWORD", "hunter2")
    'a secret, by the name of the variable'
    >>> found("GITHUB_SHA", "ace3ab241dd4de68d4075c629a123f3541b0e7ca")
    ''
    """
    form = in_text(value)
    if form:
        return form  # 1
    upper = name.upper()
    if re.search(_PROMISES, upper) and upper not in _DIRECTORIES and not _harmless(value):
        return "a secret, by the name of the variable"  # 2
    if re.search(_HINTS, upper) and _random(value):
        return "a generated key"  # 3
    return ""


def in_text(text: str) -> str:
    """Kind of a credential anywhere in free text, by its form; empty if there is none."""
    return next((form.name for form in _FORMS if form.seen(text)), "")


def withheld(text: str) -> str:
    """Free text from other people, such as a title; replaced by a reason if it looks like a credential."""
    form = in_text(text)
    return f"[withheld: it looks like {form}]" if form else text


def _harmless(value: str) -> bool:
    return bool(re.fullmatch(_HARMLESS, value, re.ASCII)) and not any(map(_random, re.split(r"[\\/]", value)))


def _random(value: str) -> bool:
    return bool(re.fullmatch(_RANDOM, value, re.ASCII)) and _entropy(value) >= _BITS


def _entropy(value: str) -> float:
    """Shannon entropy, in bits per character."""
    total = len(value)
    return -sum(count / total * math.log2(count / total) for count in Counter(value).values())
