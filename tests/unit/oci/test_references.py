import pytest

from avouch import errors
from avouch.oci import references

DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("text", "complete"),
    [
        ("nginx", "index.docker.io/library/nginx:latest"),
        ("docker.io/nginx:1", "index.docker.io/library/nginx:1"),
        ("docker.io/library/nginx", "index.docker.io/library/nginx:latest"),
        ("bitnami/nginx", "index.docker.io/bitnami/nginx:latest"),
        ("registry.example/app", "registry.example/app:latest"),
        ("registry.example:5000/a/b:V1", "registry.example:5000/a/b:V1"),
        ("localhost/app", "localhost/app:latest"),
        ("localhost:5000/app", "localhost:5000/app:latest"),
        ("[::1]:5000/app:1", "[::1]:5000/app:1"),
        (f"nginx:1@{DIGEST}", f"index.docker.io/library/nginx@{DIGEST}"),
        (f"registry.example:5000/a@{DIGEST}", f"registry.example:5000/a@{DIGEST}"),
    ],
)
def test_short_names_are_made_complete(text: str, complete: str) -> None:
    assert str(references.parse(text)) == complete


@pytest.mark.parametrize(
    "text",
    [
        "",
        "A/b",
        "a:",
        "a b",
        "a@sha256:12",
        "a@sha512:" + "a" * 128,
        "a@",
        "registry.example/",
        "registry.example/../app",
        "registry.example/a//b",
        "user:password@registry.example/a",
        "https://registry.example/a",
        "a:" + "t" * 129,
        "a/" * 600 + "a",
        "registry.example/a?x=1",
        "registry.example/a#b",
        "registry.example/a%2fb",
    ],
)
def test_what_is_no_reference_is_refused(text: str) -> None:
    with pytest.raises(errors.Invalid):
        references.parse(text)


@pytest.mark.parametrize("host", ["localhost", "localhost:5000", "127.0.0.1", "127.9.9.9:1", "[::1]:5000", "[::1]"])
def test_this_machine_is_known(host: str) -> None:
    assert references.is_loopback(host)


@pytest.mark.parametrize("host", ["localhost.example", "127.0.0.1.example", "10.0.0.1", "registry:5000", "[fe80::1]"])
def test_no_other_machine_is_taken_for_this_one(host: str) -> None:
    assert not references.is_loopback(host)
