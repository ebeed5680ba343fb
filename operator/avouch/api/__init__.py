"""The kinds: what a user writes and what the status reports, one file a kind.

Here: pydantic models of the custom resources, the rules that the API server enforces with them, and the generator that
turns both into `crds/*.yaml`. A rule is written once and becomes part of both the CRD (CEL) and the model (Python).

Never here: decisions, reading several objects together, any I/O except writing the CRDs. Only `errors`, `digests`,
`findings`, `plan` and `relative_paths` may be imported from below; every package above may import this one.
"""
