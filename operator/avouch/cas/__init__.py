"""CAS: artifacts by digest, outside the database.

Belongs here: backends that implement `controlplane.model.artifacts.Blobs`, one file each: `filesystem` (one volume) and
`objects` (whatever obstore speaks: S3, GCS, Azure, memory). One conformance suite runs over all of them.
Never here: who may read or write, run or namespace names (names are digests, never text that a user chose), SQL: the
inline backend lives in the store.
Who imports it: processes. What it imports: digests, errors; obstore is this room's alone.
"""
