"""The controller's door: what users declare, made true, and what happened, told in status and Events.

Each kind has one module that gathers (cache, database), decides (a pure function) and hands back what is desired;
`work` alone writes status. Here also: runs from Tekton's objects, and what the leader keeps in order (certificates, the
APIService, images that cannot be pulled). `source` is the only module of the whole package that imports kopf.
Never here: judging runs, HTTP, SQL, writes to a user's spec, labels or annotations.
Only `processes` may import it.
"""
