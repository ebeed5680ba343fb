import pytest

from avouch.runners import remotes


@pytest.mark.parametrize(
    ("url", "cleaned"),
    [
        ("https://git.example/acme/app.git", "https://git.example/acme/app.git"),
        ("https://user:pw@git.example/acme/app.git", "https://git.example/acme/app.git"),
        ("https://user@git.example:8443/a", "https://git.example:8443/a"),
        ("https://us%40er:p@w@git.example/a", "https://git.example/a"),
        ("https://git.example/a?private_token=x#y", "https://git.example/a"),
        ("https://git.example/@scope/app", "https://git.example/@scope/app"),
        ("http://[::1]:3000/a.git", "http://[::1]:3000/a.git"),
        ("ssh://git@git.example:22/acme/app.git", "ssh://git.example:22/acme/app.git"),
        ("git://git.example/a.git", "git://git.example/a.git"),
        ("git@git.example:acme/app.git", "git@git.example:acme/app.git"),
        ("ann@git.example:acme/app.git", "git.example:acme/app.git"),
        ("git.example:acme/app.git", "git.example:acme/app.git"),
        ("  https://git.example/a\n", "https://git.example/a"),
        ("file:///srv/git/a.git", "file:///srv/git/a.git"),
        ("/srv/git/a.git", "/srv/git/a.git"),
        ("../a.git", "../a.git"),
    ],
)
def test_a_remote_is_shown_without_credentials(url, cleaned):
    assert remotes.clean_remote(url) == cleaned


@pytest.mark.parametrize(
    "url",
    [
        "",
        "https://user:pa/ss@git.example/a",
        "https://user:12/ss@git.example/a",
        "https://user:pa#ss@git.example/a",
        "https://user:12?ss@git.example/a",
        "https://[",
        "https://host:99999/a",
        "https:///a",
        "https://git.example\\@other/a",
        "https://git.example/a b",
        "https://git.example/a\nb",
        "codecommit::us-east-1://profile@app",
        "ext::sh -c evil",
        "user:pw@git.example:acme/app.git",
        "a@b@c:d",
        "https://git.example/" + "glpat-" + "a" * 20 + "/app",
        "https://git.example/" + "a" * 3000,
    ],
)
def test_what_cannot_be_taken_apart_without_doubt_is_left_out(url):
    assert remotes.clean_remote(url) == ""
