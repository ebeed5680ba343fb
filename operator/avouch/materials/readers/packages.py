"""Archives whose files are checked: Helm charts and ZAP's reports."""

from avouch import errors
from avouch.materials.readers import archives, document, jsons, tools, yamls

_CHART = "package the chart with helm package"
_ZAP = "deliver the zip of ZAP's GitHub action, with report_json.json"
_REPORT = "report_json.json"


def helm(content: bytes) -> document.Document:
    """A packaged chart: Chart.yaml with a name and version, and values.yaml, which may be empty."""
    if not archives.is_gzip(content):
        raise errors.Invalid("not a Helm chart: no .tgz", fix=_CHART)
    chart, values = b"", False
    for entry in archives.files(content):
        file = entry.name.rpartition("/")[2]
        if file == "Chart.yaml" and not chart:  # the chart's own comes before those of its dependencies
            chart = entry.content
        values = values or file == "values.yaml"
    if not chart or not values:
        raise errors.Invalid("missing required files in the helm chart: Chart.yaml and values.yaml", fix=_CHART)
    found = yamls.load(chart)
    if not all(jsons.at(found, name) for name in ("name", "version")):
        raise errors.Invalid("invalid Chart.yaml: it needs a name and a version", fix=_CHART)
    return document.understood()


def zap(content: bytes) -> document.Document:
    """A zip with ZAP's JSON report."""
    if not archives.is_zip(content):
        raise errors.Invalid("can't open the zip file: it is not a zip", fix=_ZAP)
    reports = [entry.content for entry in archives.files(content) if entry.name == _REPORT]
    if not reports:
        raise errors.Invalid("zip file does not contain the ZAP report", fix=_ZAP)
    found = jsons.mapping(reports[0])
    if found.get("@programName") != "ZAP":
        raise errors.Invalid(f"the report is by {document.shown(found.get('@programName'))}, not by ZAP", fix=_ZAP)
    return document.understood(tools.one("ZAP", jsons.text(found, "@version")))
