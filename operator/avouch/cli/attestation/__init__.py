"""`avouch attest`, `avouch verify` and `avouch attestation`: attestations from any CI, a module for each command.

`attest` does in one process what `init`, `add` and `push` do in several, with their functions. `ports` is what these
commands need; `common` holds their options and finds the state and its server; `gathering` turns a value
into a material, `searching` finds files by a material's name; `showing` says how an attestation stands.
"""
