from pathlib import Path

import pytest

from tests.cluster import binaries, places


@pytest.mark.parametrize("name", binaries.PROGRAMS)
def test_every_program_has_its_version_in_a_go_mod_with_sums(name: str) -> None:
    program = binaries.PROGRAMS[name]
    assert program.version.startswith("v")
    sums = (places.HERE / "tools" / program.family / "go.sum").read_text(encoding="utf-8")
    assert f"{program.module} {program.version} h1:" in sums


def test_a_cached_program_is_not_compiled_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))  # no go there
    version = binaries.PROGRAMS["etcd"].version
    cached = tmp_path / "avouch/bin" / f"etcd-{version}-linux-{binaries.architecture()}"
    cached.parent.mkdir(parents=True)
    cached.touch()
    monkeypatch.setattr("platform.system", lambda: "Linux")
    assert binaries.binary("etcd") == cached


def test_a_missing_go_toolchain_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(binaries.Impossible, match="Go toolchain"):
        binaries.binary("etcd")
