r"""Base64 with exactly one spelling: RFC 4648 4, standard alphabet, padded, no junk, trailing bits zero.

Python's decoder drops junk by default and tolerates surplus padding and stray trailing bits even when validating; two
texts that decode alike would give one attestation two digests.

>>> decode("aGk=", "payload")
b'hi'
"""

import base64
import binascii

from avouch import errors


def encode(content: bytes) -> str:
    """The one accepted spelling of these bytes."""
    return base64.b64encode(content).decode("ascii")


def decode(text: str, field: str) -> bytes:
    """Read canonical base64; `field` names the place in errors.

    Raises:
        Invalid: anything that `encode` would not have written: URL-safe alphabet, newlines, missing or surplus padding.
    """
    try:
        content = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as exc:
        raise errors.Invalid("not base64", field=field, fix="use the standard alphabet with padding") from exc
    # Whole groups of four characters have one spelling; only the last group can have stray bits or surplus padding.
    last = content[(len(content) - 1) // 3 * 3 :]
    if len(text) != (len(content) + 2) // 3 * 4 or not text.endswith(encode(last)):
        raise errors.Invalid("not canonical base64", field=field, fix="use the standard alphabet with exact padding")
    return content
