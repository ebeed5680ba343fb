"""A run that somebody deleted leaves a record of it, and is not opened again.

Immutable: a change of the schema is a new file.
"""

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

_STATEMENTS = (
    # Without a reference to the run: the record stays. What is asked for and not done yet has no deleted_at.
    """CREATE TABLE run_deletions (
        run_id uuid PRIMARY KEY, namespace_uid text NOT NULL, namespace text NOT NULL, name text NOT NULL,
        workflow text NOT NULL, subject_kind text NOT NULL, subject_name text NOT NULL, subject_uid text NOT NULL,
        contract text NOT NULL, revision integer NOT NULL, contract_digest text NOT NULL,
        result text NOT NULL, evidence text NOT NULL, documents jsonb NOT NULL,
        created_at timestamptz NOT NULL, judged_at timestamptz, deleted_by text NOT NULL, reason text NOT NULL,
        requested_at timestamptz NOT NULL, deleted_at timestamptz)""",
    "CREATE INDEX run_deletions_by_name ON run_deletions (namespace_uid, name)",
    "CREATE INDEX run_deletions_due ON run_deletions (requested_at) WHERE deleted_at IS NULL",
    # Whoever opens it, also a replica that knows nothing of this: its build may still be in the cluster.
    """CREATE FUNCTION stay_deleted() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF EXISTS (SELECT FROM avouch.run_deletions d WHERE d.run_id = NEW.id) THEN
            RETURN NULL;
        END IF;
        RETURN NEW;
    END $$""",
    "CREATE TRIGGER stay_deleted BEFORE INSERT ON runs FOR EACH ROW EXECUTE FUNCTION stay_deleted()",
)


def upgrade() -> None:
    """Keep the records."""
    for statement in _STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Forget them: deleted runs whose builds are still there are opened again."""
    op.execute("DROP TRIGGER stay_deleted ON runs")
    op.execute("DROP FUNCTION stay_deleted()")
    op.execute("DROP TABLE run_deletions")
