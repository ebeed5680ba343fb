"""Reconcilers: make true what users declare, and report it in status and Events.

Each kind has one module that gathers (cache, database), decides (a pure function) and returns the desired status;
`kinds` alone writes it. `policylookup` finds what Contracts and PolicyGroups refer to. `tektonruns` opens and finishes
runs from Tekton's objects, `verdict_events` and `replay_events` bring back to users what workers found, `installation`
keeps what avouch itself needs of the cluster. `watching` feeds kopf's events into the
queue.
Never here: judging runs, HTTP, SQL, writes to a user's spec, labels or annotations.
Who imports it: processes. What it imports: kube, kopf (in `watching`), controlplane and below.
"""
