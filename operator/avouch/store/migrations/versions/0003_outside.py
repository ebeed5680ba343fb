"""Runs outside Tekton, versions of projects, what clients remember of a run, and tickets for downloads.

Immutable: a change of the schema is a new file.
"""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_STATEMENTS = (
    """CREATE TABLE outside_runs (
        run_id uuid PRIMARY KEY REFERENCES runs ON DELETE CASCADE, attester jsonb NOT NULL, runner jsonb NOT NULL,
        organization text NOT NULL, version text NOT NULL, prerelease boolean NOT NULL, release boolean NOT NULL,
        expires_at timestamptz NOT NULL, lifetime interval NOT NULL, reset jsonb)""",
    """CREATE TABLE project_versions (
        namespace_uid text NOT NULL, name text NOT NULL, latest boolean NOT NULL, created_at timestamptz NOT NULL,
        released_at timestamptz, PRIMARY KEY (namespace_uid, name))""",
    "CREATE UNIQUE INDEX project_versions_latest ON project_versions (namespace_uid) WHERE latest",
    """CREATE TABLE run_states (
        run_id uuid PRIMARY KEY REFERENCES runs ON DELETE CASCADE, digest text NOT NULL, content bytea NOT NULL)""",
    """CREATE TABLE tickets (
        digest bytea PRIMARY KEY, run_id uuid NOT NULL REFERENCES runs ON DELETE CASCADE, artifact text NOT NULL,
        expires_at timestamptz NOT NULL)""",
    "CREATE INDEX tickets_by_expiry ON tickets (expires_at)",
)


def upgrade() -> None:
    """Create them."""
    for statement in _STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Drop them."""
    for table in ("tickets", "run_states", "project_versions", "outside_runs"):
        op.execute(f"DROP TABLE {table}")
