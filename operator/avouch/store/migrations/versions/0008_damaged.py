"""Copies of artifacts that a read found damaged, so that whoever has the bytes is asked for them again."""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    op.execute(
        "CREATE TABLE damaged_artifacts ("
        "digest text NOT NULL, backend_uid text NOT NULL, PRIMARY KEY (digest, backend_uid))"
    )


def downgrade() -> None:
    """Drop it."""
    op.execute("DROP TABLE damaged_artifacts")
