"""Claims name their pod, verdicts the claims they were reached with, runs the verdict that a late claim replaced."""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns. A verdict without a list is one of before."""
    op.execute("ALTER TABLE claims ADD COLUMN pod text NOT NULL DEFAULT ''")
    op.execute("ALTER TABLE verdicts ADD COLUMN claims jsonb")
    op.execute("ALTER TABLE runs ADD COLUMN superseded jsonb")


def downgrade() -> None:
    """Drop them."""
    op.execute("ALTER TABLE runs DROP COLUMN superseded")
    op.execute("ALTER TABLE verdicts DROP COLUMN claims")
    op.execute("ALTER TABLE claims DROP COLUMN pod")
