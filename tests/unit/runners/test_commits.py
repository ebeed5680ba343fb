import pytest

from avouch import errors
from avouch.runners import commits

HEAD = "ace3ab241dd4de68d4075c629a123f3541b0e7ca"
OTHER = "0" * 40
PGP = "-----BEGIN PGP SIGNATURE-----\nx"


def github(**verification: object) -> dict[str, object]:
    return {"commit": {"verification": verification}}


@pytest.mark.parametrize(
    ("status", "body", "expected", "algorithm"),
    [
        (200, github(verified=True, reason="valid", signature=PGP), "verified", "PGP"),
        (200, github(verified=False, reason="unknown_key", signature=PGP), "unverified", "PGP"),
        (200, github(verified=False, reason="unsigned", signature=None), "not_applicable", ""),
        (200, github(verified="true", reason="valid"), "unverified", ""),
        (200, {"commit": {}}, "not_applicable", ""),
        (200, {}, "not_applicable", ""),
        (401, {}, "unavailable", ""),
        (403, {}, "unavailable", ""),
        (404, {}, "unavailable", ""),
        (500, {}, "unavailable", ""),
    ],
)
def test_githubs_answer_becomes_one_of_four_words(status, body, expected, algorithm):
    found = commits.github_answer(status, body)
    assert (str(found.status), found.algorithm, found.platform) == (expected, algorithm, "GitHub")


@pytest.mark.parametrize(
    ("status", "body", "expected", "key"),
    [
        (200, {"verification_status": "verified", "signature_type": "SSH"}, "verified", ""),
        (200, {"verification_status": "verified", "gpg_key_primary_keyid": "AB"}, "verified", "AB"),
        (200, {"verification_status": "verified", "gpg_key_id": 7, "gpg_key_primary_keyid": "AB"}, "verified", "7"),
        (200, {"verification_status": "unknown_key", "gpg_key_primary_keyid": "AB"}, "unverified", ""),
        (200, {}, "unverified", ""),
        (404, {"message": "404 Signature Not Found"}, "not_applicable", ""),
        (404, {"message": "404 Commit Not Found"}, "unavailable", ""),
        (404, {"message": "404 Project Not Found"}, "unavailable", ""),
        (404, {}, "unavailable", ""),
        (403, {}, "unavailable", ""),
        (502, {}, "unavailable", ""),
    ],
)
def test_gitlabs_answer_becomes_the_same_four_words(status, body, expected, key):
    found = commits.gitlab_answer(status, body)
    assert (str(found.status), found.key_id, found.platform) == (expected, key, "GitLab")


def test_nobody_answering_stops_no_build():
    assert commits.unreachable("GitHub", "timed out").status == "unavailable"


@pytest.mark.parametrize(
    ("signature", "algorithm"),
    [
        (PGP, "PGP"),
        ("-----BEGIN PGP MESSAGE-----", "PGP"),
        ("-----BEGIN SSH SIGNATURE-----", "SSH"),
        ("\n-----BEGIN SIGNED MESSAGE-----", "X509"),
        ("signed by me", "UNKNOWN"),
        ("", ""),
    ],
)
def test_the_algorithm_is_told_from_the_armour(signature, algorithm):
    assert commits.algorithm_of(signature) == algorithm


def test_what_is_known_of_a_commit_becomes_the_subjects_annotations():
    commit = commits.Commit(
        HEAD,
        author_name="dev",
        author_email="dev@example.com",
        date="2026-11-21T11:07:16Z",
        message="init\n",
        remotes=(commits.Remote("origin", "https://git.example/skynet.git"), commits.Remote("odd", "")),
        verification=commits.unreachable("GitHub", "HTTP 500"),
    )
    assert commit.annotations() == {
        "author.email": "dev@example.com",
        "author.name": "dev",
        "author.verification_status": "unavailable",
        "date": "2026-11-21T11:07:16Z",
        "message": "init\n",
        "remotes": [{"name": "origin", "url": "https://git.example/skynet.git"}],
    }


def test_of_a_commit_without_facts_nothing_is_said():
    assert commits.Commit(HEAD).annotations() == {}


def test_a_message_with_a_credential_is_withheld():
    message = commits.Commit(HEAD, message="oops https://u:hunter2@git.example").annotations()["message"]
    assert "hunter2" not in str(message)


@pytest.mark.parametrize("head", ["", "HEAD", HEAD[:12], HEAD.upper(), f"{HEAD}0"])
def test_what_is_no_hash_is_no_commit(head):
    with pytest.raises(errors.Invalid, match="not the hash of a commit"):
        commits.Commit(head)


def test_of_a_pull_request_the_head_is_attested_and_never_with_the_merges_author():
    remotes = (commits.Remote("origin", "https://git.example/a"),)
    merge = commits.Commit(OTHER, author_name="merger", message="Merge", signature=PGP, remotes=remotes)
    head = commits.Commit(HEAD, author_name="dev", message="work")
    assert commits.of_pull_request(HEAD, merge, head) is head
    assert commits.of_pull_request(HEAD, merge, None) == commits.Commit(HEAD, remotes=remotes)
    assert commits.of_pull_request(HEAD, merge, merge) == commits.Commit(HEAD, remotes=remotes)
    assert commits.of_pull_request(OTHER, merge, None) is merge
