"""Intake: who calls, which run is meant, what they may bring, and what is planned for a run.

Belongs here: identities of pods and of CI outside Tekton, who may attest, API tokens, plans, the decision to inject,
and the way of a claim into the store.

Never here: what evidence is worth (judging), HTTP (ingest).
"""
