"""A revision of a Contract keeps what it owes with its policies looked up, and a verdict what they said.

Immutable: a change of the schema is a new file.
"""

from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Keep them. Older revisions owe what they say themselves; none of them was passed where it had policies."""
    op.execute("ALTER TABLE contract_revisions ADD COLUMN resolved bytea NOT NULL DEFAULT ''")
    op.execute("CREATE TABLE policy_documents (digest text PRIMARY KEY, document bytea NOT NULL)")
    op.execute("ALTER TABLE verdicts ADD COLUMN evaluations jsonb NOT NULL DEFAULT '[]'")


def downgrade() -> None:
    """Forget them."""
    op.execute("ALTER TABLE verdicts DROP COLUMN evaluations")
    op.execute("DROP TABLE policy_documents")
    op.execute("ALTER TABLE contract_revisions DROP COLUMN resolved")
