"""Use cases: what happens to a run, a claim, a verdict, an artifact and a delivery, in which order.

Five packages. `intake`: who calls and what they bring. `judging`: from evidence to a signed verdict. `artifacts`: where
bytes are kept and who may read them. `deliveries`: what a verdict owes to integrations. `model`, below all of them: the
values they exchange and the ports that adapters implement, one module for each aggregate.
Deciding is pure: gather, decide, act.
Never here: SQL, HTTP, Kubernetes clients, kopf, environment variables, the clock (time arrives through a port).
Entry points call use cases; adapters import `model` only.
"""
