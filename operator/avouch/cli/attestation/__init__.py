"""`avouch attestation`: the life of an attestation from any CI, a module for each command.

`ports` is what these commands need of the world; `common` holds their options and finds the state and its server;
`gathering` turns what `--value` names into facts, `job` the CI around us; `showing` says how an attestation stands.
"""
