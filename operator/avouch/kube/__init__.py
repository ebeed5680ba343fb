"""What touches the Kubernetes API: reading the cluster's record, reviewing tokens, watching, the Lease, status, Events.

Belongs here: adapters of the `ClusterReader` port and of what the controller needs from the API server.
Never here: decisions about runs or contracts, SQL, HTTP servers. Objects leave as plain Kubernetes JSON.
Weight: the server reads with httpx alone (`connection`, `reader`, `tokens`); only the controller's modules may import
the official client, which costs 60 MiB and over a second.
Who imports it: processes, and nothing else; doors get it through ports.
"""
