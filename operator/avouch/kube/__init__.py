"""The Kubernetes API: reading the cluster's record, reviewing tokens, watching, the Lease, status, Events.

Belongs here: adapters of the `ClusterReader` port and of what the controller needs from the API server.
Never here: decisions about runs or contracts, SQL, HTTP servers. Objects leave as plain Kubernetes JSON.
Weight: everything here uses aiohttp over one `connection`; the official client, which costs 60 MiB and over a second,
is no dependency: the tests use it as an independent client.
Who imports it: processes, and `reconcilers`, which works on the Kubernetes API only; other adapters get it through
ports.
"""
