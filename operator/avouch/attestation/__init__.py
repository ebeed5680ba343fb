"""Attestations: the bytes that are signed, how they are signed, and the one algorithm that verifies them.

Belongs here: strict JSON and base64, the DSSE envelope, the in-toto statement and Chainloop's predicate, the Sigstore
bundle, keys and the certificate authority, verification summaries, verification.
Never here: clocks, logs, files, networks, databases. Time arrives as an argument; bytes arrive whole.
Weight: standard library and cryptography only, because the sidecar in every injected pod imports statement, predicate,
dsse, bundle and signing. Only `verification` makes the values that mean "this was verified".
Who imports it: controlplane and every layer above. What it imports: materials (which types there are), digests,
rfc3339, storable, values, errors.
"""
