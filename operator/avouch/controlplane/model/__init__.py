"""The values that the use cases exchange, and the ports that store them: one module for each aggregate.

Belongs here: frozen values, free of I/O, and the Protocols that adapters implement. Adapters import this folder and
nothing else of the control plane. Times are timezone-aware UTC. A port's method that writes is one transaction: its
return means COMMIT. `epoch` is the Lease's `leaseTransitions`: a write with an epoch lower than the newest one seen
raises `errors.Conflict` and changes nothing.

Never here: decisions (intake, judging, artifacts), SQL, HTTP, Kubernetes clients.
"""
