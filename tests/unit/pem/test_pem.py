import ssl
from pathlib import Path

import pytest

from avouch import errors, pem
from tests.cluster import pki

COMMENT = "# Főtanúsítvány, Łódź root\n"


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> str:
    return pki.Authority(tmp_path_factory.mktemp("ca"), "ca").pair.cert.read_text()


def taken(content: bytes | str) -> int:
    """How many authorities `ssl` takes from it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=pem.certificates(content, "AVOUCH_CA"))
    return context.cert_store_stats()["x509_ca"]


def test_a_certificate_is_found_among_what_editors_and_distributions_write(text: str):
    for content in (
        text.encode(),
        (COMMENT + text).encode(),
        (COMMENT + text).encode("iso8859-2"),
        text.encode("utf-8-sig"),
        (COMMENT + text).replace("\n", "\r\n").encode(),
        text.replace("\n", " ").encode(),
        text.replace("\n", "\n  ").encode(),
        text.replace("-----BEGIN CERTIFICATE", "-----BEGIN X509 CERTIFICATE").replace("END C", "END X509 C").encode(),
    ):
        assert taken(content) == 1


def test_the_same_text_in_a_variable_is_taken(text: str):
    for content in (
        COMMENT + text,
        "\ufeff" + text,
        (COMMENT + text).encode("iso8859-2").decode(errors="surrogateescape"),
    ):
        assert taken(content) == 1


def test_every_certificate_is_taken_and_nothing_that_lies_between_them(text: str, tmp_path: Path):
    other = pki.Authority(tmp_path, "other").pair
    assert taken(f"{text}\n{other.key.read_text()}\n{COMMENT}{other.cert.read_text()}") == 2


def _trusted(text: str) -> str:
    return text.replace("BEGIN CERT", "BEGIN TRUSTED CERT").replace("END CERT", "END TRUSTED CERT")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda text: text.replace("\n", r"\n"), r"has \\n where its lines end.*printf"),
        (_trusted, "TRUSTED CERTIFICATE blocks only.*openssl x509"),
        (lambda text: text[:200], "cut off.*from BEGIN to END"),
        (lambda text: text.replace("\n", "\n!", 2), "not base64"),
        (lambda text: "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", "no certificate"),
        (lambda text: text.encode("utf-16"), "UTF-16"),
        (lambda text: ssl.PEM_cert_to_DER_cert(text), "DER"),
        (lambda text: "", "holds no certificate"),
        (lambda text: "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----", "holds no certificate"),
    ],
)
def test_what_is_none_names_the_variable_and_what_to_do(text: str, change, words: str):
    with pytest.raises(errors.Invalid, match=words) as raised:
        pem.certificates(change(text), "AVOUCH_CA")
    assert str(raised.value).startswith("AVOUCH_CA: ")
    assert raised.value.fix
