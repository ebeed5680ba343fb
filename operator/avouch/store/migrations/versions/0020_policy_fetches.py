"""Files of policies that lie on the web: the controller asks for them, a worker fetches them.

Immutable: a change of the schema is a new file.
"""

from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Keep them by namespace: no namespace sees what was fetched for another one."""
    op.execute(
        "CREATE TABLE policy_fetches (namespace_uid text NOT NULL, reference text NOT NULL,"
        " asked_at timestamptz NOT NULL, next_try timestamptz, failures integer NOT NULL DEFAULT 0,"
        " failure text NOT NULL DEFAULT '', content bytea, PRIMARY KEY (namespace_uid, reference))"
    )
    op.execute("CREATE INDEX policy_fetches_next_try ON policy_fetches (next_try)")


def downgrade() -> None:
    """Forget them: they are fetched again."""
    op.execute("DROP TABLE policy_fetches")
