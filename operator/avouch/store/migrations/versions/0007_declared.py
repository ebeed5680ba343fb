"""Declarations: a version per namespace that each change of its Workflows and Contract revisions raises."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_STATEMENTS = (
    # `removed` is the version of the last change that took something away: a copy from before it is read anew.
    "CREATE TABLE declared (namespace text PRIMARY KEY, version bigint NOT NULL, removed bigint NOT NULL DEFAULT 0)",
    "ALTER TABLE workflows ADD COLUMN version bigint NOT NULL DEFAULT 0",
    "CREATE INDEX workflows_by_version ON workflows (namespace, version)",
)


def upgrade() -> None:
    """Create what copies of the declarations are kept fresh by."""
    for statement in _STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Drop it."""
    op.execute("DROP INDEX workflows_by_version")
    op.execute("ALTER TABLE workflows DROP COLUMN version")
    op.execute("DROP TABLE declared")
