"""Artifacts: where they may be kept, where each one lies, which runs refer to it, and what is to be removed."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_STATEMENTS = (
    """CREATE TABLE cas_backends (
        uid text PRIMARY KEY, namespace text NOT NULL, namespace_uid text NOT NULL, name text NOT NULL,
        generation bigint NOT NULL, spec jsonb NOT NULL, location text NOT NULL, problem text NOT NULL DEFAULT '',
        removed boolean NOT NULL DEFAULT false,
        checked_generation bigint NOT NULL DEFAULT -1, checked_at timestamptz, reachable boolean, writable boolean,
        message text NOT NULL DEFAULT '', next_check timestamptz NOT NULL DEFAULT now())""",
    "CREATE INDEX cas_backends_by_location ON cas_backends (location)",
    "CREATE UNIQUE INDEX cas_backends_by_name ON cas_backends (namespace, name) WHERE NOT removed",
    "CREATE INDEX cas_backends_due ON cas_backends (next_check) WHERE NOT removed",
    """CREATE TABLE artifacts (
        digest text NOT NULL, namespace_uid text NOT NULL, backend_uid text NOT NULL,
        size bigint NOT NULL DEFAULT 0, stored_at timestamptz, used_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (digest, namespace_uid, backend_uid))""",
    "CREATE INDEX artifacts_by_use ON artifacts (used_at)",
    """CREATE TABLE run_artifacts (
        run_id uuid NOT NULL REFERENCES runs ON DELETE CASCADE, digest text NOT NULL, namespace_uid text NOT NULL,
        PRIMARY KEY (run_id, digest))""",
    "CREATE INDEX run_artifacts_by_digest ON run_artifacts (digest, namespace_uid)",
    """CREATE TABLE garbage (
        digest text NOT NULL, backend_uid text NOT NULL, next_try timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (digest, backend_uid))""",
    "CREATE INDEX garbage_due ON garbage (next_try)",
    "ALTER TABLE blobs ADD COLUMN backend text NOT NULL DEFAULT 'default'",
    "ALTER TABLE blobs DROP CONSTRAINT blobs_pkey, ADD PRIMARY KEY (backend, digest)",
    # The version at which runs were last deleted by age: a watch from before it would never hear of them.
    "ALTER TABLE versions ADD COLUMN expired bigint NOT NULL DEFAULT 0",
    "CREATE INDEX runs_by_age ON runs (workflow_uid, judged_at)",
    # What was stored before has no row in `artifacts` and is therefore never removed; these rows let it be downloaded.
    """INSERT INTO run_artifacts (run_id, digest, namespace_uid)
        SELECT DISTINCT verdicts.run_id, material ->> 'digest', runs.namespace_uid
        FROM verdicts JOIN runs ON runs.id = verdicts.run_id, jsonb_array_elements(verdicts.materials) AS material
        WHERE material ->> 'uploaded' = 'true'""",
)


def upgrade() -> None:
    """Create the tables."""
    for statement in _STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Drop them, dependants first."""
    op.execute("DROP INDEX runs_by_age")
    op.execute("ALTER TABLE versions DROP COLUMN expired")
    op.execute("DELETE FROM blobs WHERE backend <> 'default'")
    op.execute("ALTER TABLE blobs DROP CONSTRAINT blobs_pkey, ADD PRIMARY KEY (digest)")
    op.execute("ALTER TABLE blobs DROP COLUMN backend")
    for table in ("garbage", "run_artifacts", "artifacts", "cas_backends"):
        op.execute(f"DROP TABLE {table}")
