"""The issuers that the settings allow, read from one setting. Tokens of any other are never looked at.

Standard library only: every process reads the settings, and PyJWT is for the server.
"""

from collections.abc import Collection
from dataclasses import dataclass
from urllib.parse import urlsplit

from avouch import errors

_KNOWN = {
    "https://token.actions.githubusercontent.com": "GITHUB_ACTION",
    "https://gitlab.com": "GITLAB_PIPELINE",
}


@dataclass(frozen=True, slots=True)
class Issuer:
    """An allowed issuer: `url` is exactly the iss of its tokens. `runner` is the type of runner that gets them.

    Raises:
        Invalid: not an https address, or one with parts that no issuer has.
    """

    url: str
    runner: str = ""

    def __post_init__(self) -> None:
        """Refuse what cannot be the iss of a token."""
        if not is_address(self.url):
            fix = "write the issuer exactly as in the iss claim of its tokens, such as https://gitlab.example.com"
            raise errors.Invalid(f"{self.url[:200]!r} is not an issuer", field="oidc.issuers", fix=fix)


def parse(text: str, runners: Collection[str]) -> tuple[Issuer, ...]:
    """Issuers of a setting: `https://issuer[=RUNNER_TYPE]`, with commas or spaces between them.

    >>> parse("https://gitlab.com https://git.example=GITLAB_PIPELINE", ["GITLAB_PIPELINE"])[1].runner
    'GITLAB_PIPELINE'

    Args:
        text: the setting.
        runners: the types of runner that get tokens.

    Raises:
        Invalid: not an issuer, a type of runner without such tokens, or a duplicate issuer.
    """
    found: dict[str, Issuer] = {}
    for each in text.replace(",", " ").split():
        url, _, runner = each.partition("=")
        if runner and runner not in runners:
            raise errors.Invalid(
                f"{runner[:64]!r} is not a runner type that issues tokens",
                field="oidc.issuers",
                fix=f"use one of {', '.join(runners)}, or none",
            )
        if url in found:
            raise errors.Invalid(f"{url[:200]!r} is listed twice", field="oidc.issuers", fix="keep one of them")
        found[url] = Issuer(url, runner or _KNOWN.get(url, ""))
    return tuple(found.values())


def is_address(text: str, *, query: bool = False) -> bool:
    """Whether this is an https address without parts that no issuer has."""
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        return False
    plain = (
        parts.scheme == "https"
        and bool(host)
        and "*" not in str(host)
        and port != 0
        and not parts.username
        and not parts.fragment
    )
    return plain and text.isascii() and text.isprintable() and " " not in text and (query or not parts.query)
