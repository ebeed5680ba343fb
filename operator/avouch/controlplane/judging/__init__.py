"""Judging: from the evidence of one run to its signed verdict.

Belongs here: the cluster's record and the claims beside it, the checks in their order, the documents that are signed.
Deciding is pure; only `judge` gathers and commits.

Never here: who may push (intake), how a verdict travels (deliveries).
"""
