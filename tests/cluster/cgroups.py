"""The control group above a cluster's pods: made before the kubelet, and the surest list of what is left of them."""

from pathlib import Path

from tests.cluster import processes

_ROOT = Path("/sys/fs/cgroup")


def create(name: str) -> None:
    """Make the group in every hierarchy; a kubelet only works below one that exists."""
    if (_ROOT / "cgroup.controllers").exists():
        offered = (_ROOT / "cgroup.controllers").read_text(encoding="utf-8").split()
        _write(_ROOT / "cgroup.subtree_control", " ".join(f"+{controller}" for controller in offered))
    for hierarchy in _hierarchies():
        group = hierarchy / name
        group.mkdir(exist_ok=True)
        for file in ("cpuset.cpus", "cpuset.mems"):  # version 1: empty until somebody fills them
            if (group / file).exists() and not (hierarchy / "cgroup.controllers").exists():
                _write(group / file, (hierarchy / file).read_text(encoding="utf-8").strip())


def kill(name: str) -> int:
    """End every process in the group and say how many there were."""
    ended = set()
    for group in _below(name):
        for line in _read(group / "cgroup.procs").split():
            processes.end(int(line))
            ended.add(line)
    return len(ended)


def remove(name: str) -> None:
    """Delete the group and all below it; it must be empty of processes."""
    for group in _below(name):
        try:
            group.rmdir()
        except OSError:
            continue  # its last process is still ending: the next start meets an empty group and uses it


def _below(name: str) -> list[Path]:
    """The group in every hierarchy with all below it, the deepest first."""
    groups = [folder for hierarchy in _hierarchies() for folder in (hierarchy / name).glob("**/") if folder.is_dir()]
    return sorted(groups, key=lambda folder: len(folder.parts), reverse=True)


def _hierarchies() -> list[Path]:
    if (_ROOT / "cgroup.controllers").exists():
        return [_ROOT]
    return [folder for folder in sorted(_ROOT.iterdir()) if folder.is_dir() and not folder.is_symlink()]


def _write(file: Path, text: str) -> None:
    try:
        file.write_text(text, encoding="utf-8")
    except OSError:
        return  # a controller that this machine does not let us pass on: the kubelet says so if it needs it


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except OSError:
        return ""
