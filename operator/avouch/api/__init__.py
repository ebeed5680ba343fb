"""The kinds: what a user writes and what our status says back, one file a kind.

Here: pydantic models of the custom resources, the rules that the API server enforces with them, and the generator that
turns both into `crds/*.yaml`. A rule is written once and lands in the CRD (CEL) and in the model (Python) alike.

Never here: deciding, reading several objects together, any I/O but writing the CRDs. Nothing below may be imported but
`errors`, `digests`, `findings` and `plan`; every room above may import this one.
"""
