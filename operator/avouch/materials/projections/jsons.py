"""JSON that is not one document as it stands: findings on lines, statements in envelopes, logs that break JSON."""

import codecs

from avouch.materials.projections import pieces
from avouch.materials.readers import jsons, statements


def lines(content: bytes) -> bytes:
    """JSON documents one after the other as a list; what is a list already stays as it is."""
    plain = content.removeprefix(codecs.BOM_UTF8).strip()
    return plain if plain.startswith(b"[") else pieces.array(part.text for part in jsons.several(plain)).encode()


def statement(content: bytes) -> bytes:
    """The statement of a DSSE envelope or a Sigstore bundle, as it was signed."""
    return statements.attested(content)


def mended(content: bytes) -> bytes:
    """A document whose texts hold raw control characters, as scanners copy source code: they are escaped."""
    return pieces.encoded(pieces.text(jsons.load(content, strict=False)))
