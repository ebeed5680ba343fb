"""The server as CI outside the cluster reaches it, and the places where an attestation under construction is kept.

Belongs here: one connection to the server with retries; the wire of runs; transfers that are checked and resumed; the
files of this machine that the command line keeps (state, login).
Never here: what to do with the answers (crafting, cli), registries and forges, Kubernetes' API.
Weight: standard library, because a build starts the command line for every material; `config` alone loads YAML.
Who imports it: processes, which hands it to the command line. What it imports: crafting, attestation, materials, https,
proxies, pem, clocks, digests, errors.
"""
