"""Claims name their pod; verdicts that a late claim superseded are kept beside the one that replaced them."""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column and the table."""
    op.execute("ALTER TABLE claims ADD COLUMN pod text NOT NULL DEFAULT ''")
    op.execute(
        """CREATE TABLE superseded_verdicts (
            run_id uuid NOT NULL REFERENCES runs ON DELETE CASCADE, number integer NOT NULL,
            result text NOT NULL, evidence text NOT NULL, judged_at timestamptz NOT NULL, because text NOT NULL,
            findings jsonb NOT NULL, materials jsonb NOT NULL, documents jsonb NOT NULL,
            PRIMARY KEY (run_id, number))"""
    )


def downgrade() -> None:
    """Drop them."""
    op.execute("DROP TABLE superseded_verdicts")
    op.execute("ALTER TABLE claims DROP COLUMN pod")
