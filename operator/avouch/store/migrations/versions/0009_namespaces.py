"""Namespaces are known by what was declared in them, too: what is of no known namespace is shown to nobody.

Until now something of an unknown namespace was shown. What the controller has recorded makes its namespace known, so
these rows are only missing where an older version wrote.
"""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Learn them; of several uids of one name the newest that says when it was written."""
    op.execute("""
        INSERT INTO namespaces (name, uid) SELECT DISTINCT ON (namespace) namespace, namespace_uid FROM (
            SELECT namespace, namespace_uid, now() AS at FROM workflows
            UNION ALL SELECT namespace, namespace_uid, recorded_at FROM contract_revisions
            UNION ALL SELECT namespace, namespace_uid, created_at FROM tokens
            UNION ALL SELECT namespace, namespace_uid, '-infinity' FROM cas_backends WHERE NOT removed
        ) declared ORDER BY namespace, at DESC ON CONFLICT DO NOTHING""")


def downgrade() -> None:
    """Nothing to undo: what is known does no harm."""
