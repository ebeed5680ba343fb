"""OCI: a client for registries, by the distribution spec.

Belongs here: references, credentials (docker's and podman's files, credential helpers), authentication, requests with
bounds. Its users interpret the answers: `registry` looks up images, `cas` stores artifacts.
Never here: what a run is, what a contract asks for, environment variables other than those that name files of
credentials. Credentials never enter a message, a log or a repr, and never follow a redirect to another host.
Who imports it: registry, cas, processes. What it imports: image_references, proxies, digests, errors; httpx is
imported by `client` and `transport` alone.
Why not `oras`: it is synchronous, reads answers of any size, gives manifests without their bytes, so that no digest can
be checked, and sends a password to any realm that the registry names.
"""
