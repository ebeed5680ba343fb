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
    found = _yaml("Chart.yaml", yamls.load, chart)
    if not all(jsons.at(found, name) for name in ("name", "version")):
        raise errors.Invalid("invalid Chart.yaml: it needs a name and a version", fix=_CHART)
    _yaml(_VALUES, yamls.check_syntax, values)
    return document.understood()


def _yaml(name: str, read: Callable[[bytes], Any], content: bytes) -> Any:
    try:
        return read(content)
    except errors.Invalid as exc:
        raise errors.Invalid(f"invalid {name}: {exc.args[0]}", fix=_CHART) from exc


def zap(content: bytes) -> document.Document:
    """A zip with ZAP's JSON report, in any folder."""
    if not archives.is_zip(content):
        raise errors.Invalid("can't open the zip file: it is not a zip", fix=_ZAP)
    reports = [entry.content for entry in archives.files(content) if entry.name.rpartition("/")[2] == _REPORT]
    if not reports:
        raise errors.Invalid("zip file does not contain the ZAP report", fix=_ZAP)
    found = jsons.mapping(reports[0])
    if found.get("@programName") != "ZAP":
        raise errors.Invalid(f"the report is by {document.shown(found.get('@programName'))}, not by ZAP", fix=_ZAP)
    return document.understood(tools.one("ZAP", jsons.text(found, "@version")))
