"""Each database knows where its history begins: an emptied or restored one opens nothing that was judged elsewhere."""

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """One that is in use began with its first contract: nothing was judged before."""
    op.execute("""
        CREATE TABLE history (
            id boolean PRIMARY KEY DEFAULT true CHECK (id), identity uuid NOT NULL, born_at timestamptz NOT NULL,
            mark bigint NOT NULL, rewound_at timestamptz
        )""")
    op.execute("""
        INSERT INTO history (identity, born_at, mark)
        SELECT gen_random_uuid(), coalesce((SELECT min(recorded_at) FROM contract_revisions), now()), 0""")


def downgrade() -> None:
    """Forget it."""
    op.execute("DROP TABLE history")
