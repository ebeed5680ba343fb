"""Judging: from the evidence of one run to its signed verdict.

Belongs here: the cluster's record and the claims beside it, what policies say and which exceptions cover it, the checks
in their order (`verdict`), the documents that are signed; and past runs judged again (`replay`).
Deciding is pure; `judge` gathers and commits, `policies` asks the engine, and `artifact_check` reads documents for it.

Never here: who may push (intake), how a verdict travels (deliveries).
"""
