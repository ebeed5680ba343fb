"""Names that several packages must spell alike, each of them once."""

AUDIENCE = "avouch"  # of every token that is meant for us: ServiceAccount tokens of pods, OIDC tokens of CI systems
SIDECAR = "avouch-sidecar"  # our container in a pod; never `step-` or `sidecar-`: Tekton acts on those prefixes
# Roles in PostgreSQL, one for each process: the owner of the schema, who migrates, is another one.
DATABASE_ROLES = {"server": "avouch_server", "worker": "avouch_worker", "controller": "avouch_controller"}
