"""Exceptions from policies, as the controller recorded them.

Immutable: a change of the schema is a new file.
"""

from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Keep them; judging asks for those of one Workflow."""
    op.execute(
        "CREATE TABLE policy_exceptions (namespace text NOT NULL, name text NOT NULL, namespace_uid text NOT NULL,"
        " policy text NOT NULL, digest text NOT NULL, reason text NOT NULL, granted_by text NOT NULL,"
        " workflows text[] NOT NULL, materials text[] NOT NULL, expires_at timestamptz NOT NULL,"
        " PRIMARY KEY (namespace, name))"
    )
    op.execute("CREATE INDEX policy_exceptions_by_namespace ON policy_exceptions (namespace_uid)")


def downgrade() -> None:
    """Forget them: nothing is excepted."""
    op.execute("DROP TABLE policy_exceptions")
