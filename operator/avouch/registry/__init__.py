"""Registry: what an image is that a run delivers, from a registry or from an OCI layout on disk; and policies in one.

Belongs here: looking up a reference (digest, tag, latest, signatures found), charts behind `oci://`, layouts, the one
layer of a small artifact (`artifacts`).
Never here: pulling images, verifying signatures (they are found and recorded; policies judge them), how to speak with a
registry, which is `oci`'s.
Who imports it: processes, which hand it to the command line, and fetch policies with it for the worker.
What it imports: materials.images, oci, image_references, digests, errors.
"""
