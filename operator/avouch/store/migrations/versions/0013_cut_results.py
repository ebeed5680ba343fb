"""Workflows whose runs lost results for want of room beside the sidecar."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """One row for each such Workflow; it goes with the Workflow."""
    op.create_table(
        "cut_results",
        sa.Column("workflow_uid", sa.Text, primary_key=True),
        sa.Column("generation", sa.BigInteger, nullable=False),
    )


def downgrade() -> None:
    """Forget them."""
    op.drop_table("cut_results")
