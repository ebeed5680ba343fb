"""Real registries on loopback, and what tests push into them."""

import contextlib
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

from avouch import digests
from tests.cluster import binaries

ROOT = Path(__file__).parents[1]
IMAGE = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
SERVERS = {
    "crane": ("crane", "registry", "serve", "--address"),  # without the referrers API
    "referrers": ("registry-with-referrers",),
}


@contextlib.contextmanager
def running(kind: str) -> Iterator[str]:
    """A registry with nothing in it, in memory; yields its host and port."""
    program, *arguments = SERVERS[kind]
    command = [str(binaries.binary(program)), *arguments, "127.0.0.1:0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            found = re.search(r"serving on (?:port )?(?:127\.0\.0\.1:)?([0-9]+)", line)
            assert found, line
            yield f"127.0.0.1:{found[1]}"
        finally:
            process.kill()


class Repository:
    """A repository to push into, by plain requests of the distribution spec."""

    def __init__(self, server: str, name: str) -> None:
        self.name = f"{server}/{name}"
        self._http = httpx.Client(base_url=f"http://{server}/v2/{name}/", trust_env=False)

    def close(self) -> None:
        self._http.close()

    def blob(self, content: bytes) -> dict[str, Any]:
        """Push bytes; their descriptor."""
        digest = digests.of_bytes(content)
        where = self._http.post("blobs/uploads/").raise_for_status().headers["location"]
        self._http.put(where, params={"digest": str(digest)}, content=content).raise_for_status()
        return {"digest": str(digest), "size": len(content)}

    def manifest(self, body: dict[str, Any], tag: str = "") -> digests.Digest:
        """Push a manifest, by tag or by digest."""
        content = json.dumps(body).encode()
        digest = digests.of_bytes(content)
        headers = {"Content-Type": body["mediaType"]}
        self._http.put(f"manifests/{tag or digest}", content=content, headers=headers).raise_for_status()
        return digest

    def image(self, tag: str, **said: Any) -> digests.Digest:
        """An image of one layer that is named after its tag."""
        return self.manifest(self.body(tag, **said), tag)

    def body(self, text: str, config: str = CONFIG, **said: Any) -> dict[str, Any]:
        """A manifest."""
        layer = {"mediaType": "application/octet-stream", **self.blob(text.encode())}
        described = {"mediaType": config, **self.blob(b"{}")}
        return {"schemaVersion": 2, "mediaType": IMAGE, "config": described, "layers": [layer], **said}

    def signature(self, kind: str, subject: digests.Digest, size: int = 1, **said: Any) -> digests.Digest:
        """A signature that refers to an image, as Notary and cosign push it in OCI 1.1."""
        referred = {"mediaType": IMAGE, "digest": str(subject), "size": size}
        return self.manifest(self.body(f"signature {kind}", kind, artifactType=kind, subject=referred, **said))

    def delete(self, digest: digests.Digest) -> None:
        """Take a manifest away."""
        self._http.delete(f"manifests/{digest}").raise_for_status()

    def index(self, tag: str, *entries: dict[str, Any]) -> digests.Digest:
        """An index under a tag."""
        return self.manifest({"schemaVersion": 2, "mediaType": INDEX, "manifests": list(entries)}, tag)
