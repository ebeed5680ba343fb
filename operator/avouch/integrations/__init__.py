"""Integrations: one module for each kind of receiver, all in the table of `registry`.

Belongs here: how one delivery is sent to one receiver, and how its answer reads (`Integration` of
`controlplane.model.deliveries`).
Never here: the database, the ledger, back-off, Kubernetes, who gets what. A plugin sees one frozen `Delivery`.
Who imports it: processes, which hand the table to the worker and the reconcilers. What it imports: controlplane.model,
api for the models of what is configured, pinned, destinations, errors; httpcore is the transport below httpx.
"""
