"""Facts about the commit that was built: from git, and the state of its signature from the forge."""

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, NamedTuple

from avouch import errors
from avouch.runners import credentials
from avouch.values import dataclass

_HEAD = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}", re.ASCII)
_ARMOUR = (
    ("-----BEGIN PGP SIGNATURE-----", "PGP"),
    ("-----BEGIN PGP MESSAGE-----", "PGP"),
    ("-----BEGIN SSH SIGNATURE-----", "SSH"),
    ("-----BEGIN SIGNED MESSAGE-----", "X509"),
)


class SignatureStatus(StrEnum):
    """State of a commit's signature, as written in the attestation."""

    VERIFIED = "verified"
    UNVERIFIED = "unverified"  # signed, but the forge does not vouch for it
    UNAVAILABLE = "unavailable"  # the forge could not be asked, or gave no answer
    NOT_APPLICABLE = "not_applicable"  # there is no signature


class Verification(NamedTuple):
    """A forge's answer. Only status and algorithm enter the statement; the rest is for people."""

    status: SignatureStatus
    reason: str
    platform: str
    algorithm: str = ""
    key_id: str = ""


class Remote(NamedTuple):
    """A remote of the repository; its URL has been through `remotes.clean_remote`."""

    name: str
    url: str


@dataclass(frozen=True, slots=True)
class Commit:
    """The commit that was built. If only its hash is known, the other fields are empty."""

    head: str
    author_name: str = ""
    author_email: str = ""
    date: str = ""  # RFC 3339
    message: str = ""
    signature: str = ""  # armoured, as git keeps it
    remotes: tuple[Remote, ...] = ()
    verification: Verification | None = None

    def __post_init__(self) -> None:
        """Refuse what is not a hash.

        Raises:
            Invalid: not 40 or 64 lower-case hexadecimal characters.
        """
        if not _HEAD.fullmatch(self.head):
            raise errors.Invalid(
                "not the hash of a commit", field="commit.head", fix="give the whole hash of the commit"
            )

    def annotations(self) -> dict[str, object]:
        """Annotations of the statement's subject `git.head`; unknown ones are left out."""
        said: dict[str, object] = {
            "author.email": self.author_email,
            "author.name": self.author_name,
            "author.verification_status": str(self.verification.status) if self.verification else "",
            "date": self.date,
            "message": credentials.withheld(self.message),
            "remotes": [{"name": remote.name, "url": remote.url} for remote in self.remotes if remote.url],
            "signature": self.signature,
            "signature.algorithm": self.verification.algorithm if self.verification else "",
        }
        return {key: value for key, value in said.items() if value}


def of_pull_request(head: str, checked_out: Commit, fetched: Commit | None) -> Commit:
    """The commit that a pull request asks to merge, instead of the merge that CI has checked out.

    Args:
        head: hash of the pull request's head, by its event.
        checked_out: the commit that is checked out.
        fetched: the head itself, where the clone is deep enough to have it. Otherwise only the hash and the remotes
            are known: author, message and signature of the merge are not those of the head.
    """
    if head == checked_out.head:
        return checked_out
    return fetched if fetched is not None and fetched.head == head else Commit(head, remotes=checked_out.remotes)


def github_answer(status: int, body: Mapping[str, Any]) -> Verification:
    """GitHub's answer to GET /repos/{owner}/{repo}/commits/{sha}."""
    if status != 200:
        return _unavailable("GitHub", status)
    commit = body.get("commit")
    found = commit.get("verification") if isinstance(commit, Mapping) else None
    if not isinstance(found, Mapping):
        return Verification(SignatureStatus.NOT_APPLICABLE, "No signature verification data available", "GitHub")
    reason = _text(found, "reason")
    if found.get("verified") is True:
        status_found = SignatureStatus.VERIFIED
    else:
        status_found = SignatureStatus.NOT_APPLICABLE if reason == "unsigned" else SignatureStatus.UNVERIFIED
    return Verification(status_found, reason, "GitHub", algorithm_of(_text(found, "signature")))


def gitlab_answer(status: int, body: Mapping[str, Any]) -> Verification:
    """GitLab's answer to GET /api/v4/projects/{path}/repository/commits/{sha}/signature."""
    if status == 404 and "Signature" in _text(body, "message"):  # also 404: no such commit, no such project
        return Verification(SignatureStatus.NOT_APPLICABLE, "Commit is not signed", "GitLab")
    if status != 200:
        return _unavailable("GitLab", status)
    said = _text(body, "verification_status")
    verified = said == "verified"
    return Verification(
        SignatureStatus.VERIFIED if verified else SignatureStatus.UNVERIFIED,
        "Commit signed and verified" if verified else f"Signature not verified: {said}",
        "GitLab",
        _text(body, "signature_type"),
        _text(body, "gpg_key_id") or (_text(body, "gpg_key_primary_keyid") if verified else ""),
    )


def unreachable(platform: str, reason: str) -> Verification:
    """The verification if the forge did not answer, or not in a known form. It never fails a build."""
    return Verification(SignatureStatus.UNAVAILABLE, reason, platform)


def algorithm_of(signature: str) -> str:
    """The kind of an armoured signature: PGP, SSH, X509 or UNKNOWN; empty if there is none."""
    text = signature.strip()
    return next((name for armour, name in _ARMOUR if text.startswith(armour)), "UNKNOWN" if text else "")


def _unavailable(platform: str, status: int) -> Verification:
    reasons = {401: "authentication failed", 403: "authentication failed", 404: "Commit not found"}
    return unreachable(platform, f"{platform} API: {reasons.get(status, f'HTTP {status}')}")


def _text(body: Mapping[str, Any], key: str) -> str:
    value = body.get(key)
    return value if isinstance(value, str) else str(value) if isinstance(value, int) else ""
