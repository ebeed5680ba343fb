"""OCI: speaking with registries, as the distribution spec has it.

Belongs here: references, credentials (docker's and podman's files, credential helpers), authentication, requests with
bounds. What the answers mean is for others: `registry` looks up images, `cas` keeps artifacts.
Never here: what a run is, what a contract asks for, environment variables other than those that say where credentials
lie. Credentials never enter a message, a log or a repr, and never follow a redirect to another host.
Who imports it: registry, cas, processes. What it imports: digests, errors; httpx is imported by `client` alone.
Why not `oras`: it is synchronous, reads answers of any size, gives manifests without their bytes, so that no digest can
be checked, and takes a password to whatever realm it is sent to.
"""
