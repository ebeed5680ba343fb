"""When each Workflow took runs is known to all who open them: without it, old builds are opened after a restart."""

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Known Workflows are open as of now, and so are those that an older controller records: it writes no such time.

    The controller replaces it by what the Workflow's status says, at its first look.
    """
    op.execute(
        "ALTER TABLE workflows ADD COLUMN open_since timestamptz DEFAULT now(), ADD COLUMN open_until timestamptz"
    )


def downgrade() -> None:
    """Forget it."""
    op.execute("ALTER TABLE workflows DROP COLUMN open_since, DROP COLUMN open_until")
