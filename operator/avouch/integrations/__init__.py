"""Integrations: one module for each kind of receiver, all behind the `Integration` Protocol of `base`.

Belongs here: how one delivery is sent to one receiver, and how its answer reads.
Never here: the database, the ledger, back-off, Kubernetes, who gets what. A plugin sees one frozen `Delivery`.
Who imports it: processes.worker. What it imports: controlplane's values and ports and below; httpcore, the
transport below httpx, pins the address that was checked.
"""
