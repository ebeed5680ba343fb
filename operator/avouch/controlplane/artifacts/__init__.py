"""Artifacts: which store keeps a namespace's bytes, whether it works, and who may download.

Never here: protocols of stores (cas), HTTP (ingest), what documents say (materials, judging).
"""
