"""Runs are judged again when somebody asks: the requests, and the verdicts that others took the place of.

What is there needs no change: a verdict that a late claim superseded stays where it is, in the row of its run, as the
last of its chain. No table is rewritten, and older replicas go on.

Immutable: a change of the schema is a new file.
"""

from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

_STATEMENTS = (
    "ALTER TABLE verdicts ADD COLUMN reevaluation jsonb",
    """CREATE TABLE superseded_verdicts (
        run_id uuid REFERENCES runs ON DELETE CASCADE, number integer, document jsonb NOT NULL,
        PRIMARY KEY (run_id, number))""",
    # One row for each run: what is asked for anew takes the place of what was answered.
    """CREATE TABLE reevaluations (
        run_id uuid PRIMARY KEY REFERENCES runs ON DELETE CASCADE, namespace_uid text NOT NULL,
        asked_by text NOT NULL, reason text NOT NULL, asked_at timestamptz NOT NULL,
        tries integer NOT NULL DEFAULT 0, next_try timestamptz, leased_until timestamptz, answered_at timestamptz,
        state text NOT NULL DEFAULT 'Waiting', message text NOT NULL DEFAULT '')""",
    "CREATE INDEX reevaluations_waiting ON reevaluations (namespace_uid, asked_at, run_id) WHERE answered_at IS NULL",
)


def upgrade() -> None:
    """Keep them."""
    for statement in _STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Forget the requests, and all earlier verdicts but the last; what was signed for them stays with the run."""
    op.execute("DROP TABLE reevaluations")
    op.execute("DROP TABLE superseded_verdicts")
    op.execute("ALTER TABLE verdicts DROP COLUMN reevaluation")
