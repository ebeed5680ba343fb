"""Use cases, and the ports they need.

Belongs here: the order of steps of each job (record a contract, open a run, accept a claim, judge, deliver), the values
these jobs exchange, and the Protocols (`ports.py`) that adapters implement. Deciding is pure: gather, decide, act.
Never here: SQL, HTTP, Kubernetes clients, kopf, environment variables, the clock (time arrives through a port).
Doors call use cases; adapters import `values` and `ports` only.
"""
