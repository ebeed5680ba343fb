"""Authorities from PEM as people keep it: the certificates are cut out, and all else is left behind.

Files of distributions have comments in any encoding, editors add a byte order mark, CI variables turn lines into one.
`ssl` takes ASCII alone, and says "no start line" where anything is wrong.
"""

import base64
import binascii
import re
import ssl
import textwrap

from avouch import errors

_BEGIN = b"-----BEGIN "
_BLOCK = re.compile(rb"-----BEGIN ([A-Z0-9 ]*CERTIFICATE)-----(.*?)-----END \1-----", re.DOTALL)
_PLAIN = frozenset({b"CERTIFICATE", b"X509 CERTIFICATE"})  # RFC 7468: the second is an old name of the first
_TRUSTED = b"TRUSTED CERTIFICATE"  # OpenSSL's own: a certificate, then what it is trusted for


def is_text(said: str) -> bool:
    """Whether this is PEM itself, not the name of a file."""
    return _BEGIN.decode() in said


def certificates(content: bytes | str, field: str) -> str:
    """The certificates of a PEM text, in plain ASCII, as `ssl` takes them.

    Args:
        content: the text, or the bytes of a file.
        field: the variable, option or key that people have to correct.

    Raises:
        Invalid: it holds no certificate, or one that cannot be read.
    """
    raw = content.encode("utf-8", "surrogateescape") if isinstance(content, str) else content
    blocks = [match.group(1, 2) for match in _BLOCK.finditer(raw)]
    plain = [_block(body, field) for label, body in blocks if label in _PLAIN]
    if not plain:
        raise _none(raw, {label for label, _ in blocks}, field)
    found = "".join(plain)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=found)
    except ssl.SSLError as exc:
        raise errors.Invalid(
            "a block of the PEM is no certificate", field=field, fix="export the CA again, as PEM"
        ) from exc
    return found


def _block(body: bytes, field: str) -> str:
    if b"\\n" in body:
        fix = 'keep its lines; a shell turns them back with printf "%b"'
        raise errors.Invalid(r"the PEM has \n where its lines end", field=field, fix=fix)
    bare = b"".join(body.split())
    try:
        der = base64.b64decode(bare, validate=True)
    except binascii.Error as exc:
        fix = "copy the file again, whole and unchanged"
        raise errors.Invalid("a certificate of the PEM is not base64", field=field, fix=fix) from exc
    lines = "\n".join(textwrap.wrap(base64.b64encode(der).decode("ascii"), 64))
    return f"-----BEGIN CERTIFICATE-----\n{lines}\n-----END CERTIFICATE-----\n"


def _none(raw: bytes, labels: set[bytes], field: str) -> errors.Invalid:
    if _TRUSTED in labels:
        message, fix = "holds TRUSTED CERTIFICATE blocks only", "convert each: openssl x509 -in FILE -out PLAIN.pem"
    elif b"CERTIFICATE-----" in raw and _BEGIN in raw:
        message, fix = "holds a certificate that is cut off", "give all lines, from BEGIN to END"
    elif raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        message, fix = "is text in UTF-16", "write it as UTF-8"
    elif raw[:1] == b"\x30":
        message, fix = "holds no certificate in PEM, but perhaps one in DER", "convert it: openssl x509 -inform DER"
    else:
        message, fix = "holds no certificate", "give PEM certificates, or the name of a file that holds them"
    return errors.Invalid(message, field=field, fix=fix)
