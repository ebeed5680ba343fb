"""Archives whose files are checked: Helm charts and ZAP's reports."""

from collections.abc import Callable
from typing import Any

from avouch import errors
from avouch.materials.readers import archives, document, jsons, tools, yamls

_CHART = "package the chart with helm package"
_MISSING = "add it to the chart, also if it is empty as values.yaml may be, and package it with helm package"
_VALUES = "values.yaml"
_ZAP = "deliver the zip of ZAP's GitHub action, with report_json.json"
_REPORT = "report_json.json"


def helm(content: bytes) -> document.Document:
    """A packaged chart: Chart.yaml with a name and version, and values.yaml, which may be empty."""
    chart, values = chart_files(content)
    found = yaml("Chart.yaml", yamls.load, chart)
    if not all(jsons.at(found, name) for name in ("name", "version")):
        raise errors.Invalid("invalid Chart.yaml: it needs a name and a version", fix=_CHART)
    yaml(_VALUES, yamls.check_syntax, values)
    return document.understood()


def chart_files(content: bytes) -> tuple[bytes, bytes]:
    """A chart's own Chart.yaml and values.yaml. Raises errors.Invalid."""
    if not archives.is_gzip(content):
        raise errors.Invalid("not a Helm chart: no .tgz", fix=_CHART)
    chart: bytes | None = None
    values: bytes | None = None
    for entry in archives.files(content):
        file = entry.name.rpartition("/")[2]
        if file == "Chart.yaml" and chart is None:  # the chart's own comes before those of its dependencies
            chart = entry.content
        if file == _VALUES and values is None:
            values = entry.content
    if chart is None or values is None:
        missing = " and ".join(name for name, there in (("Chart.yaml", chart), (_VALUES, values)) if there is None)
        raise errors.Invalid(f"missing required files in the helm chart: {missing}", fix=_MISSING)
    return chart, values


def yaml(name: str, read: Callable[[bytes], Any], content: bytes) -> Any:
    """Read a file of a chart, whose name is in the error."""
    try:
        return read(content)
    except errors.Invalid as exc:
        raise errors.Invalid(f"invalid {name}: {exc.args[0]}", fix=_CHART) from exc


def zap(content: bytes) -> document.Document:
    """A zip with ZAP's JSON report, in any folder."""
    found = jsons.mapping(zap_report(content))
    if found.get("@programName") != "ZAP":
        raise errors.Invalid(f"the report is by {document.shown(found.get('@programName'))}, not by ZAP", fix=_ZAP)
    return document.understood(tools.one("ZAP", jsons.text(found, "@version")))


def zap_report(content: bytes) -> bytes:
    """The JSON report in the zip. Raises errors.Invalid: there is none."""
    if not archives.is_zip(content):
        raise errors.Invalid("can't open the zip file: it is not a zip", fix=_ZAP)
    reports = [entry.content for entry in archives.files(content) if entry.name.rpartition("/")[2] == _REPORT]
    if not reports:
        raise errors.Invalid("zip file does not contain the ZAP report", fix=_ZAP)
    return reports[0]
