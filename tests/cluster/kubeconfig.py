"""Kubeconfig files: an address, an authority and a client certificate under one roof."""

import base64
from pathlib import Path

import yaml

from tests.cluster.pki import Pair


def write(path: Path, server: str, authority: Path, client: Pair, name: str = "avouch") -> Path:
    """Write a kubeconfig that stands alone: keys and certificates are inside, so it can be copied anywhere."""
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {"name": name, "cluster": {"server": server, "certificate-authority-data": _inline(authority)}},
        ],
        "users": [
            {
                "name": name,
                "user": {
                    "client-certificate-data": _inline(client.cert),
                    "client-key-data": _inline(client.key),
                },
            },
        ],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "current-context": name,
    }
    path.touch(mode=0o600)
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return path


def _inline(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()
