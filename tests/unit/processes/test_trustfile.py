"""The trust root as a process reads it: what the controller wrote last, and nothing before it did."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from avouch import errors
from avouch.attestation import keysigned, signing, trustroot
from avouch.processes import trustfile

NOW = datetime(2026, 1, 12, tzinfo=UTC)


def grown(document: trustroot.Document) -> trustroot.Document:
    return document.joined([], {keysigned.Family.PASSED: signing.KeySigner.generate().private_key_pem()}, NOW)


def test_it_is_what_the_file_holds_now(tmp_path: Path) -> None:
    path = tmp_path / "trust.json"
    read = trustfile.TrustFile(path)
    with pytest.raises(errors.NotReady, match="not there yet"):
        read()
    first = grown(trustroot.Document())
    for document in (first, grown(first)):
        path.write_bytes(document.to_bytes())
        assert read() == document
