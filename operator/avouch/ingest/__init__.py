"""HTTPS: the ingest API that sidecars and steps push to, and the aggregated API that kubectl reads runs from.

`aggregated` is the listener that the API server's front proxy calls; everything else serves sidecars and CI jobs.
Belongs here: routes, reading requests within limits, who is calling, turning errors into problems and Status objects,
discovery and OpenAPI documents, tables, watch frames.
Never here: SQL, Kubernetes clients, sockets, certificates, deciding anything about runs; that is `controlplane`'s.
Weight: Starlette and msgspec. Logs go through the standard library; `processes` says how they look.
Who imports it: processes. Entry points never import each other.
"""
