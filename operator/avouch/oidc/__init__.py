"""OIDC: whether a token of a CI system is real, by its issuer's own keys.

Belongs here: the issuers that the settings allow, their discovery documents and keys over HTTPS, the checks of a token.
Never here: who may attest for what, and what claims mean (`controlplane.intake.oidc_claims`); tokens of this cluster,
which TokenReview judges; issuers that nobody allowed: they are never asked for anything.
Tokens never enter a log, a message or an error. Who imports it: processes. What it imports: errors and
`controlplane.model.identities`; PyJWT is this room's alone.
"""
