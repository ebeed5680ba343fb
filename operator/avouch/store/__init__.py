"""Store: PostgreSQL behind the control plane's ports, one repository module per aggregate.

Belongs here: tables, migrations, transactions, fencing by the Lease's epoch, the order of versions, group commit of
claims, the delivery ledger, small artifacts inline. Every writing method is one transaction; its return means COMMIT.
Never here: HTTP, Kubernetes, judging, the environment. Secrets of integrations are never stored, only named.
Who imports it: processes, which build it. What it imports: controlplane.model, whose ports it implements, tekton (the
index by which Workflows match), findings, api (limits), names, digests, rfc3339, storable, errors; SQLAlchemy Core,
psycopg and alembic are this package's alone.
"""
