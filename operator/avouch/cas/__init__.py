"""CAS: artifacts by digest, outside the database.

Belongs here: backends that implement `controlplane.model.artifacts.Blobs`, one file each: `filesystem` (one volume),
`objects` (the stores of obstore: S3, GCS, Azure, memory), `oci` (a registry). One conformance suite runs over all of
them. `remote` reads what the server keeps; `soundness` says whether a stored copy is whole; `forwarding` is the way of
obstore to addresses that somebody named.
Never here: permissions, names of runs or namespaces (names are digests, never text that a user chose), SQL: the inline
backend is in the store.
Who imports it: processes. What it imports: oci, pinned, destinations, pem, digests, errors;
only this package uses obstore.
"""
