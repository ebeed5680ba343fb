"""Coverage reports: JaCoCo and Cobertura. Structure only: neither publishes more than a document type."""

import math

from avouch import errors
from avouch.materials.readers import document, xmls

_JACOCO = "deliver JaCoCo's XML report"
_COBERTURA = "deliver a Cobertura XML report"


def jacoco(content: bytes) -> document.Document:
    """A <report> with counters of its own, INSTRUCTION among them."""
    counters: set[str] = set()

    def see(element: xmls.Element) -> None:
        if element.depth == 1 and element.name != "report":
            raise errors.Invalid(f"invalid JaCoCo report: its root is <{element.name[:64]}>", fix=_JACOCO)
        if element.depth == 2 and element.name == "counter":
            counters.add(_counter(element))

    xmls.walk(content, ("counter",), see)
    if "INSTRUCTION" not in counters:
        raise errors.Invalid("invalid JaCoCo report: the root has no INSTRUCTION counter", fix=_JACOCO)
    return document.understood()


def _counter(element: xmls.Element) -> str:
    for name in ("missed", "covered"):
        if not element.attributes.get(name, "").isascii() or not element.attributes.get(name, "").isdigit():
            raise errors.Invalid(f"invalid JaCoCo report: a counter has no number {name}", fix=_JACOCO)
    return element.attributes.get("type", "")


def cobertura(content: bytes) -> document.Document:
    """A <coverage> that measured something: packages, or a line-rate other than 0. Empty projects have NaN.

    A package counts where Cobertura has it, below packages: Clover's root has the same name.
    """
    rate = 0.0
    packages = 0
    listed = clover = False

    def see(element: xmls.Element) -> None:
        nonlocal rate, packages, listed, clover
        if element.depth == 1:
            rate, clover = _rate(element), "clover" in element.attributes
        listed = listed or (element.name == "packages" and element.depth == 2)
        packages += listed and element.name == "package" and element.depth == 3

    xmls.walk(content, ("packages", "package"), see)
    if rate == 0 and not packages and clover:
        raise errors.Invalid("invalid Cobertura report: it is Clover's", fix="let the tool write Cobertura, too")
    if rate == 0 and not packages:
        raise errors.Invalid("invalid Cobertura report: no package, and a line-rate of 0", fix=_COBERTURA)
    return document.understood()


def _rate(root: xmls.Element) -> float:
    if root.name != "coverage":
        raise errors.Invalid(f"invalid Cobertura report: its root is <{root.name[:64]}>", fix=_COBERTURA)
    text = root.attributes.get("line-rate", "0")
    try:
        rate = float(text)
    except ValueError as exc:
        message = f"invalid Cobertura report: the line-rate {document.shown(text)} is not a number"
        comma = "," in text
        fix = "write numbers with a dot: run the tool with the invariant culture, such as LC_ALL=C"
        raise errors.Invalid(message, fix=fix if comma else _COBERTURA) from exc
    if not (math.isnan(rate) or 0 <= rate <= 1):
        raise errors.Invalid(f"invalid Cobertura report: the line-rate {rate} is not from 0 to 1", fix=_COBERTURA)
    return rate
