"""Archives: ZAP's report as it is, and what a Helm chart declares. Chainloop shows policies neither."""

from avouch.materials.projections import pieces
from avouch.materials.readers import packages, yamls


def zap(content: bytes) -> bytes:
    """The report in the zip."""
    return packages.zap_report(content)


def helm(content: bytes) -> bytes:
    """`chart`: its Chart.yaml; `values`: its values.yaml."""
    chart, values = packages.chart_files(content)
    counted = pieces.Counted()
    read = {"chart": packages.yaml("Chart.yaml", yamls.load, chart)}
    read["values"] = packages.yaml("values.yaml", yamls.last, values)
    return pieces.encoded(counted.piece({name: {} if value is None else value for name, value in read.items()}))
