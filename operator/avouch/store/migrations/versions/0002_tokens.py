"""API tokens, organisations with their projects, and the digest of a contract's bytes."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_STATEMENTS = (
    "ALTER TABLE contract_revisions ADD COLUMN source_digest text NOT NULL DEFAULT ''",
    """CREATE TABLE tokens (
        id text PRIMARY KEY, name text NOT NULL, namespace text NOT NULL, namespace_uid text NOT NULL,
        uid text NOT NULL, scope text NOT NULL, workflow text NOT NULL, digest bytea NOT NULL,
        created_at timestamptz NOT NULL, expires_at timestamptz, revoked_at timestamptz, revoked_because text NOT NULL,
        last_used_at timestamptz, delivered_at timestamptz, rotate text NOT NULL)""",
    "CREATE INDEX tokens_by_name ON tokens (namespace, name, created_at)",
    "CREATE INDEX tokens_by_object ON tokens (uid)",
    "CREATE TABLE organisations (name text PRIMARY KEY, home text NOT NULL, settings jsonb NOT NULL)",
    """CREATE TABLE projects (
        namespace text NOT NULL, organisation text NOT NULL REFERENCES organisations ON DELETE CASCADE,
        PRIMARY KEY (namespace, organisation))""",
)


def upgrade() -> None:
    """Create what is new."""
    for statement in _STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Drop it."""
    for table in ("projects", "organisations", "tokens"):
        op.execute(f"DROP TABLE {table}")
    op.execute("ALTER TABLE contract_revisions DROP COLUMN source_digest")
