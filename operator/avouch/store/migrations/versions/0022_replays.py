"""What a new revision of a Contract would have done to past runs is asked for and kept.

Immutable: a change of the schema is a new file.
"""

from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

_STATEMENTS = (
    # One row for each Contract: what is asked for anew takes the place of what was.
    """CREATE TABLE replays (
        namespace_uid text, name text, namespace text NOT NULL, revision integer NOT NULL,
        asked_at timestamptz NOT NULL, tries integer NOT NULL DEFAULT 0, leased_until timestamptz,
        done_at timestamptz, result jsonb, PRIMARY KEY (namespace_uid, name))""",
    "CREATE INDEX replays_due ON replays (asked_at) WHERE done_at IS NULL",
    "CREATE INDEX replays_done ON replays (done_at) WHERE done_at IS NOT NULL",
)


def upgrade() -> None:
    """Keep them."""
    for statement in _STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Forget them."""
    op.execute("DROP TABLE replays")
