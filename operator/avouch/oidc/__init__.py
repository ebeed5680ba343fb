"""OIDC: verifies tokens of CI systems with their issuer's own keys.

Belongs here: the issuers that the settings allow, their discovery documents and keys over HTTPS, the checks of a token.
Never here: who may attest for what, and what claims mean (`controlplane.intake.oidc_claims`); tokens of this cluster,
which TokenReview verifies; issuers that are not allowed: they are never contacted.
Tokens never enter a log, a message or an error. Who imports it: processes. What it imports: https, errors
and `controlplane.model.identities`; only this package uses PyJWT.
"""
