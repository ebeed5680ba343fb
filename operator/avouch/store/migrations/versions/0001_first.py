"""The first schema.

Immutable: a change of the schema is a new file. Literal SQL, so that what runs is what is read here.
"""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# pglz would halve the rate of pushes. lz4 is cheap, but not in every build of PostgreSQL (not in the try-out's): there
# bundles lie uncompressed.
_COMPRESSION = """DO $$ BEGIN
    IF 'lz4' = ANY (SELECT unnest(enumvals) FROM pg_settings WHERE name = 'default_toast_compression') THEN
        ALTER TABLE claims ALTER COLUMN bundle SET COMPRESSION lz4;
    ELSE
        ALTER TABLE claims ALTER COLUMN bundle SET STORAGE EXTERNAL;
    END IF;
END $$"""
_STATEMENTS = (
    "CREATE TABLE leases (id boolean PRIMARY KEY DEFAULT true CHECK (id), epoch bigint NOT NULL)",
    "INSERT INTO leases (epoch) VALUES (-1)",
    "CREATE TABLE versions (id boolean PRIMARY KEY DEFAULT true CHECK (id), value bigint NOT NULL)",
    "INSERT INTO versions (value) VALUES (0)",
    "CREATE TABLE namespaces (name text PRIMARY KEY, uid text NOT NULL)",
    """CREATE TABLE contract_revisions (
        namespace_uid text NOT NULL, name text NOT NULL, revision integer NOT NULL,
        namespace text NOT NULL, uid text NOT NULL, digest text NOT NULL, canonical bytea NOT NULL,
        recorded_at timestamptz NOT NULL,
        PRIMARY KEY (namespace_uid, name, revision))""",
    "CREATE INDEX contract_revisions_by_namespace ON contract_revisions (namespace, name, revision)",
    """CREATE TABLE workflows (
        namespace text NOT NULL, name text NOT NULL, namespace_uid text NOT NULL, uid text NOT NULL,
        generation bigint NOT NULL, spec jsonb NOT NULL, labels jsonb NOT NULL,
        contract_namespace text NOT NULL, contract_name text NOT NULL,
        PRIMARY KEY (namespace, name))""",
    """CREATE TABLE attachments (
        namespace text NOT NULL, name text NOT NULL, uid text NOT NULL, integration text NOT NULL, type text NOT NULL,
        config jsonb NOT NULL, workflow text NOT NULL, selector jsonb NOT NULL,
        PRIMARY KEY (namespace, name))""",
    """CREATE TABLE runs (
        id uuid PRIMARY KEY, name text NOT NULL, workflow_uid text NOT NULL, subject_uid text NOT NULL,
        namespace text NOT NULL, namespace_uid text NOT NULL, workflow text NOT NULL,
        subject_kind text NOT NULL, subject_name text NOT NULL,
        contract text NOT NULL, revision integer NOT NULL, contract_digest text NOT NULL, plan text NOT NULL,
        created_at timestamptz NOT NULL, result text NOT NULL, evidence text NOT NULL,
        finished_at timestamptz, judged_at timestamptz, labels jsonb NOT NULL,
        resource_version bigint NOT NULL DEFAULT 0, created_version bigint NOT NULL DEFAULT 0,
        judged_version bigint NOT NULL DEFAULT 0,
        UNIQUE (namespace_uid, name))""",
    "CREATE INDEX runs_by_name ON runs (namespace, name)",
    "CREATE INDEX runs_by_subject ON runs (subject_uid)",
    "CREATE INDEX runs_by_version ON runs (resource_version)",
    "CREATE INDEX runs_judged ON runs (judged_version) WHERE judged_version > 0",
    "CREATE INDEX runs_unfinished ON runs (created_at) WHERE finished_at IS NULL",
    "CREATE INDEX runs_unjudged ON runs (finished_at) WHERE result = 'Pending'",
    """CREATE TABLE snapshots (
        run_id uuid PRIMARY KEY REFERENCES runs ON DELETE CASCADE, document jsonb NOT NULL)""",
    """CREATE TABLE claims (
        digest text PRIMARY KEY, id uuid NOT NULL UNIQUE, run_id uuid NOT NULL REFERENCES runs ON DELETE CASCADE,
        bundle bytea NOT NULL, pod_uid text NOT NULL, taskrun_uid text NOT NULL, taskrun text NOT NULL,
        pipeline_task text NOT NULL, service_account text NOT NULL, received_at timestamptz NOT NULL,
        explicit boolean NOT NULL)""",
    _COMPRESSION,
    "CREATE INDEX claims_by_run ON claims (run_id)",
    """CREATE TABLE verdicts (
        run_id uuid PRIMARY KEY REFERENCES runs ON DELETE CASCADE,
        findings jsonb NOT NULL, materials jsonb NOT NULL, annotations jsonb NOT NULL, env jsonb NOT NULL,
        statement bytea NOT NULL, attestation bytea NOT NULL, attestation_digest text NOT NULL, vsa bytea NOT NULL)""",
    """CREATE TABLE payloads (
        run_id uuid NOT NULL REFERENCES runs ON DELETE CASCADE, digest text NOT NULL, content bytea NOT NULL,
        PRIMARY KEY (run_id, digest))""",
    """CREATE TABLE deliveries (
        id uuid PRIMARY KEY, run_id uuid NOT NULL, payload_digest text NOT NULL,
        attachment_uid text NOT NULL, attachment text NOT NULL, namespace text NOT NULL, type text NOT NULL,
        config jsonb NOT NULL, state text NOT NULL, attempts integer NOT NULL DEFAULT 0,
        last_error text NOT NULL DEFAULT '', next_try timestamptz, leased_until timestamptz,
        changed_at timestamptz NOT NULL DEFAULT now(),
        FOREIGN KEY (run_id, payload_digest) REFERENCES payloads ON DELETE CASCADE)""",
    "CREATE INDEX deliveries_due ON deliveries (next_try) WHERE state = 'pending'",
    "CREATE INDEX deliveries_by_run ON deliveries (run_id)",
    "CREATE INDEX deliveries_by_attachment ON deliveries (attachment_uid, state)",
    "CREATE TABLE blobs (digest text PRIMARY KEY, content bytea NOT NULL)",
)


def upgrade() -> None:
    """Create every table of the first schema."""
    for statement in _STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Drop what `upgrade` made, dependants first."""
    for table in (
        "blobs", "deliveries", "payloads", "verdicts", "claims", "snapshots", "runs", "attachments", "workflows",
        "contract_revisions", "namespaces", "versions", "leases",
    ):  # fmt: skip
        op.execute(f"DROP TABLE {table}")
