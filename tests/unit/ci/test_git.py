"""Against the machine's own git, in repositories made for each test."""

import os
import subprocess
import time
from pathlib import Path

import pytest

from avouch.ci import git
from avouch.runners import commits

PATH = {"PATH": os.environ["PATH"]}
SIGNATURE = "-----BEGIN SSH SIGNATURE-----\nU1NIU0lH\n\nAAAB\n-----END SSH SIGNATURE-----\n"


class Repository:
    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)
        self.git("init", "-q", "-b", "main", *options)

    def git(self, *words: str, given: bytes = b"") -> str:
        environment = {**PATH, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1", **AUTHOR}
        done = subprocess.run(
            ["git", "-C", str(self.folder), *words], input=given, capture_output=True, check=True, env=environment
        )
        return done.stdout.decode().strip()

    def commit(self, message: str = "Add it") -> str:
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD")

    def raw(self, *headers: str, message: bytes = b"m\n", encoding: str = "utf-8") -> str:
        """A commit written by hand, and checked out."""
        tree = self.git("hash-object", "-t", "tree", "-w", "--stdin")
        text = "\n".join([f"tree {tree}", *headers]).encode(encoding) + b"\n\n" + message
        head = self.git("hash-object", "-t", "commit", "-w", "--stdin", "--literally", given=text)
        self.git("update-ref", "HEAD", head)
        return head


AUTHOR = {
    "GIT_AUTHOR_NAME": "Ann",
    "GIT_AUTHOR_EMAIL": "ann@example.com",
    "GIT_AUTHOR_DATE": "1700000000 +0130",
    "GIT_COMMITTER_NAME": "Bot",
    "GIT_COMMITTER_EMAIL": "bot@example.com",
    "GIT_COMMITTER_DATE": "1800000000 +0000",
}
ANN = "author Ann <ann@example.com> 1700000000 +0000"
BOT = "committer Bot <bot@example.com> 1700000000 +0000"


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "repository")


def read(folder: Path, **environment: str) -> commits.Commit:
    found = git.read(folder, {**PATH, **environment})
    assert found.commit is not None, found.note
    return found.commit


def note(folder: Path, **environment: str) -> str:
    found = git.read(folder, {**PATH, **environment})
    assert found.commit is None
    return found.note


def test_the_head_and_its_author_are_read(repository: Repository) -> None:
    head = repository.commit("Add it\n\nBecause.")
    found = read(repository.folder)
    assert (found.head, found.author_name, found.author_email) == (head, "Ann", "ann@example.com")
    assert (found.date, found.message, found.signature) == ("2023-11-14T23:43:20+01:30", "Add it\n\nBecause.\n", "")


def test_a_folder_inside_and_a_worktree_are_the_repository_too(repository: Repository, tmp_path: Path) -> None:
    first = repository.commit()
    (repository.folder / "deep").mkdir()
    repository.git("worktree", "add", "-q", str(tmp_path / "tree"))
    second = repository.commit("second")
    assert read(repository.folder / "deep").head == second
    assert read(tmp_path / "tree").head == first


def test_remotes_have_no_credentials(repository: Repository) -> None:
    repository.commit()
    repository.git("remote", "add", "origin", "https://x-access-token:ghs_0123456789@git.example/acme/app.git")
    repository.git("remote", "set-url", "--add", "origin", "https://second.example/app.git")
    repository.git("remote", "add", "back.up", "git@git.example:acme/app.git")
    repository.git("remote", "add", "odd", "ext::sh -c evil")
    assert read(repository.folder).remotes == (
        commits.Remote("back.up", "git@git.example:acme/app.git"),
        commits.Remote("origin", "https://git.example/acme/app.git"),
    )


def test_a_signature_is_kept_with_its_armour(repository: Repository) -> None:
    folded = "gpgsig " + SIGNATURE.rstrip("\n").replace("\n", "\n ")
    head = repository.raw(ANN, BOT, folded)
    found = read(repository.folder)
    assert (found.head, found.signature, found.message) == (head, SIGNATURE, "m\n")
    assert commits.algorithm_of(found.signature) == "SSH"


def test_a_signature_in_the_message_is_none(repository: Repository) -> None:
    repository.raw(ANN, BOT, message=b"gpgsig " + SIGNATURE.encode())
    assert read(repository.folder).signature == ""


def test_a_second_author_is_not_believed(repository: Repository) -> None:
    repository.raw(ANN, "author Eve <eve@example.com> 1 +0000", BOT)
    assert read(repository.folder).author_name == "Ann"


def test_texts_are_read_in_the_encoding_that_the_commit_names(repository: Repository) -> None:
    repository.raw(
        "author Zoë <z@example.com> 1700000000 +0000",
        BOT,
        "encoding ISO-8859-1",
        message="Grüße\n".encode("latin-1"),
        encoding="latin-1",
    )
    found = read(repository.folder)
    assert (found.author_name, found.message) == ("Zoë", "Grüße\n")


@pytest.mark.parametrize(
    ("author", "name", "date"),
    [
        ("author <> 1700000000 +0000", "", "2023-11-14T22:13:20Z"),
        ("author Ann <ann@example.com>", "Ann", ""),
        ("author Ann <ann@example.com> 999999999999 +0000", "Ann", ""),
        ("author Ann <ann@example.com> 1700000000 +9999", "Ann", "2023-11-14T22:13:20Z"),
        ("author nonsense", "", ""),
        ("encoding no-such-thing\nauthor A\ufffd <a> 1 +0000", "A\ufffd", "1970-01-01T00:00:01Z"),
    ],
)
def test_odd_authors_are_read_as_far_as_they_make_sense(
    repository: Repository, author: str, name: str, date: str
) -> None:
    repository.raw(author, BOT)
    found = read(repository.folder)
    assert (found.author_name, found.date) == (name, date)


def test_the_other_hash_of_git_is_read_too(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "sha256", "--object-format=sha256")
    head = repository.commit()
    assert len(head) == 64
    assert read(repository.folder).head == head


def test_without_a_repository_there_is_no_commit(tmp_path: Path) -> None:
    assert "no git repository here" in note(tmp_path, GIT_CEILING_DIRECTORIES=str(tmp_path.parent))


def test_without_a_commit_there_is_none(repository: Repository) -> None:
    assert note(repository.folder) == "the repository has no commit yet"


def test_objects_of_another_repository_that_is_not_mounted_are_named_in_git_s_words(
    repository: Repository, tmp_path: Path
) -> None:
    repository.commit()
    clone = tmp_path / "clone"
    repository.git("clone", "-q", "--shared", str(repository.folder), str(clone))
    assert read(clone).head
    (repository.folder / ".git" / "objects").rename(tmp_path / "away")
    said = note(clone)
    assert "lies in another repository that is not here: " in said
    assert str(repository.folder / ".git" / "objects") in said
    assert "(fix: mount it, or clone without it)" in said


def test_a_repository_that_lost_its_objects_does_not_look_like_a_new_one(repository: Repository) -> None:
    head = repository.commit()
    (repository.folder / ".git" / "objects" / head[:2] / head[2:]).unlink()
    assert note(repository.folder) == "git could not read the commit: HEAD names one whose object is not here"


def test_a_repository_of_the_future_is_not_read(repository: Repository) -> None:
    repository.commit()
    repository.git("config", "core.repositoryFormatVersion", "1")
    repository.git("config", "extensions.fromTheFuture", "true")
    assert "git could not read the commit: fatal: unknown repository extension" in note(repository.folder)


def test_without_git_that_is_said(repository: Repository, tmp_path: Path) -> None:
    repository.commit()
    assert "git is not in PATH" in note(repository.folder, PATH=str(tmp_path))


def test_a_folder_that_is_gone_has_no_commit(tmp_path: Path) -> None:
    assert "git could not read the commit" in note(tmp_path / "gone")


def test_variables_do_not_point_git_elsewhere(repository: Repository, tmp_path: Path) -> None:
    head = repository.commit()
    other = Repository(tmp_path / "other")
    other.commit("other")
    evil = {"GIT_DIR": str(other.folder / ".git"), "GIT_OBJECT_DIRECTORY": "/x", "GIT_NAMESPACE": "x", "GIT_TRACE": "2"}
    assert read(repository.folder, **evil).head == head


def test_a_replaced_commit_is_not_what_was_built(repository: Repository) -> None:
    first = repository.commit("true")
    other = repository.raw(ANN, BOT, message=b"false\n")
    repository.git("update-ref", "HEAD", first)
    repository.git("update-ref", f"refs/replace/{first}", other)
    assert repository.git("log", "-1", "--format=%s") == "false"
    assert read(repository.folder).message == "true\n"


def test_a_repository_of_somebody_else_is_read_all_the_same(repository: Repository) -> None:
    head = repository.commit()
    if os.geteuid() == 0:
        for path in (repository.folder, *repository.folder.rglob("*")):
            os.chown(path, 12345, 12345)
    assert read(repository.folder).head == head


def test_nothing_that_a_repository_names_is_run(repository: Repository, tmp_path: Path) -> None:
    repository.commit()
    ran = tmp_path / "ran"
    trap = tmp_path / "trap"
    trap.write_text(f"#!/bin/sh\ntouch {ran}\n")
    trap.chmod(0o755)
    for key in ("core.fsmonitor", "core.sshCommand", "core.pager", "core.editor", "core.alternateRefsCommand"):
        repository.git("config", key, str(trap))
    repository.git("config", "remote.origin.url", f"ext::{trap}")
    repository.git("config", "remote.origin.promisor", "true")
    repository.git("config", "extensions.partialClone", "origin")
    repository.git("config", "protocol.ext.allow", "always")
    missing = "1" * 40
    found = git.read(repository.folder, PATH, missing)
    assert found.commit == commits.Commit(missing)
    assert not ran.exists()


def test_the_head_of_a_pull_request_takes_the_place_of_its_merge(repository: Repository) -> None:
    asked = repository.commit("asked for")
    repository.commit("merge")
    found = git.read(repository.folder, PATH, asked).commit
    assert found is not None
    assert (found.head, found.message) == (asked, "asked for\n")


def test_of_a_head_that_a_shallow_clone_lacks_only_the_hash_is_known(repository: Repository) -> None:
    repository.commit("merge")
    repository.git("remote", "add", "origin", "https://git.example/acme/app.git")
    found = git.read(repository.folder, PATH, "2" * 40).commit
    assert found == commits.Commit("2" * 40, remotes=(commits.Remote("origin", "https://git.example/acme/app.git"),))


def test_a_tree_of_that_hash_is_no_commit(repository: Repository) -> None:
    repository.commit("merge")
    tree = repository.git("rev-parse", "HEAD^{tree}")
    assert git.read(repository.folder, PATH, tree).commit == commits.Commit(tree)


def test_a_commit_without_end_is_not_read(repository: Repository) -> None:
    repository.raw(ANN, BOT, message=b"x" * (3 * 1024 * 1024))
    assert "at most 1048576 bytes" in note(repository.folder)


def test_a_long_message_is_cut(repository: Repository) -> None:
    repository.raw(ANN, BOT, message=b"x" * 100_000)
    assert len(read(repository.folder).message) == 64 * 1024


def test_a_git_that_hangs_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(git, "_SECONDS", 0.2)
    fake = tmp_path / "git"
    fake.write_text("#!/bin/sh\nexec sleep 60\n")
    fake.chmod(0o755)
    start = time.monotonic()
    assert "in 0.2 s" in note(tmp_path, PATH=f"{tmp_path}:/usr/bin:/bin")
    assert time.monotonic() - start < 10
