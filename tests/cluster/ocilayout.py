"""Container images from plain files, without an engine: an OCI image layout in one tar archive."""

import hashlib
import io
import json
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

_CHUNK = 1 << 20
_PATH = "/usr/local/bin:/usr/bin:/bin:/ko-app"


@dataclass(frozen=True)
class Image:
    """What is in an image and what it runs. All files belong to root, carry no time and can be read by everybody."""

    name: str
    """Reference under which a node finds it. A tag other than `latest`, or the kubelet would try to pull it."""
    architecture: str
    programs: Mapping[str, Path] = field(default_factory=dict)
    """Path in the image, absolute, to the file on this machine."""
    links: Mapping[str, str] = field(default_factory=dict)
    """Path in the image, absolute, to where the symbolic link points."""
    folders: Sequence[str] = ()
    """Folders that everybody may write into, like /tmp."""
    entrypoint: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    user: str = ""


def write(image: Image, target: Path) -> Path:
    """Write the archive; the same image gives the same bytes."""
    with tempfile.TemporaryFile() as layer:
        _write_layer(image, layer)
        layer_digest, layer_size = _measure(layer)
        config = _json(_config(image, layer_digest))
        manifest = _json(
            {
                "schemaVersion": 2,
                "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "config": _descriptor("application/vnd.oci.image.config.v1+json", config),
                "layers": [
                    {
                        "mediaType": "application/vnd.oci.image.layer.v1.tar",
                        "digest": f"sha256:{layer_digest}",
                        "size": layer_size,
                    }
                ],
            }
        )
        entry = _descriptor("application/vnd.oci.image.manifest.v1+json", manifest)
        entry["platform"] = {"os": "linux", "architecture": image.architecture}
        entry["annotations"] = {
            "io.containerd.image.name": image.name,
            "org.opencontainers.image.ref.name": image.name.rpartition(":")[2],
        }
        index = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [entry]}
        unfinished = target.with_name(f".{target.name}")
        with tarfile.open(unfinished, "w") as archive:
            _add_bytes(archive, "oci-layout", _json({"imageLayoutVersion": "1.0.0"}))
            _add_bytes(archive, "index.json", _json(index))
            for blob in (config, manifest):
                _add_bytes(archive, _blob(hashlib.sha256(blob).hexdigest()), blob)
            member = tarfile.TarInfo(_blob(layer_digest))
            member.size = layer_size
            layer.seek(0)
            archive.addfile(member, layer)
    unfinished.rename(target)
    return target


def rename(archive: Path, name: str) -> Path:
    """Put the full reference into an archive that an engine wrote: containerd takes it only from an annotation."""
    unfinished = archive.with_name(f".{archive.name}")
    with tarfile.open(archive) as source, tarfile.open(unfinished, "w") as target:
        for member in source:
            content = source.extractfile(member)
            if member.name.removeprefix("./") == "index.json" and content is not None:
                index = json.load(content)
                for entry in index["manifests"]:
                    entry.setdefault("annotations", {})["io.containerd.image.name"] = name
                _add_bytes(target, "index.json", _json(index))
            else:
                target.addfile(member, content)
    unfinished.rename(archive)
    return archive


def _write_layer(image: Image, target: BinaryIO) -> None:
    with tarfile.open(fileobj=target, mode="w") as layer:
        for folder in _parents([*image.programs, *image.links]):
            _add_folder(layer, folder, 0o755)
        for folder in image.folders:
            _add_folder(layer, folder.strip("/"), 0o1777)
        for path, source in sorted(image.programs.items()):
            member = tarfile.TarInfo(path.lstrip("/"))
            member.size = source.stat().st_size
            member.mode = 0o755
            with source.open("rb") as content:
                layer.addfile(member, content)
        for path, destination in sorted(image.links.items()):
            member = tarfile.TarInfo(path.lstrip("/"))
            member.type = tarfile.SYMTYPE
            member.linkname = destination
            member.mode = 0o777
            layer.addfile(member)


def _parents(paths: Sequence[str]) -> list[str]:
    folders = {str(parent).lstrip("/") for path in paths for parent in Path(path).parents}
    return sorted(folders - {"", "."})


def _add_folder(layer: tarfile.TarFile, name: str, mode: int) -> None:
    member = tarfile.TarInfo(name)
    member.type = tarfile.DIRTYPE
    member.mode = mode
    layer.addfile(member)


def _config(image: Image, layer_digest: str) -> dict[str, Any]:
    return {
        "architecture": image.architecture,
        "os": "linux",
        "config": {
            "Env": [f"{key}={value}" for key, value in {"PATH": _PATH, **image.environment}.items()],
            "Entrypoint": list(image.entrypoint),
            "User": image.user,
        },
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer_digest}"]},
    }


def _measure(file: BinaryIO) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0
    file.seek(0)
    while chunk := file.read(_CHUNK):
        digest.update(chunk)
        size += len(chunk)
    return digest.hexdigest(), size


def _descriptor(media_type: str, content: bytes) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": f"sha256:{hashlib.sha256(content).hexdigest()}", "size": len(content)}


def _add_bytes(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    archive.addfile(member, io.BytesIO(content))


def _blob(digest: str) -> str:
    return f"blobs/sha256/{digest}"


def _json(document: object) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
