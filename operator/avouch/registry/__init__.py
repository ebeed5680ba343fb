"""Registry: what an image is that a run delivers, from a registry or from an OCI layout on disk.

Belongs here: looking up a reference (digest, tag, latest, signatures found), charts behind `oci://`, layouts.
Never here: pulling layers, verifying signatures (they are found and recorded; policies judge them), how to speak with a
registry, which is `oci`'s.
Who imports it: processes, which hand it to the command line. What it imports: materials.images, oci, image_references,
digests, errors.
"""
