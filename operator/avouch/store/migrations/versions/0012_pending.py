"""A run begins without a verdict, whoever opens it: server and controller may add runs, and decide nothing."""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Refuse a verdict to whom the database gives no right to change one. Older replicas open as newer ones."""
    op.execute("""
        CREATE FUNCTION begin_runs() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF NOT has_column_privilege(TG_RELID, 'result', 'UPDATE') THEN
                RAISE insufficient_privilege USING MESSAGE = 'permission denied: a run begins without a verdict';
            END IF;
            RETURN NEW;
        END $$""")
    op.execute("""
        CREATE TRIGGER begin_runs BEFORE INSERT ON runs FOR EACH ROW WHEN (
            NEW.result <> 'Pending' OR NEW.evidence <> '' OR NEW.judged_at IS NOT NULL
            OR NEW.judged_version <> 0 OR NEW.superseded IS NOT NULL
        ) EXECUTE FUNCTION begin_runs()""")


def downgrade() -> None:
    """Let them."""
    op.execute("DROP TRIGGER begin_runs ON runs")
    op.execute("DROP FUNCTION begin_runs()")
