"""What each namespace has stored is counted as it comes and goes, so that a quota costs no look at all of it.

And: when a namespace went, and what a run's status leaves out.
"""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

# Whoever changes the row of a namespace holds it until its COMMIT: these are the last locks of each statement, and
# those of many namespaces are taken in one order.
_ADD = """INSERT INTO avouch.artifact_usage AS u (namespace_uid, number, bytes)
    SELECT namespace_uid, {sign}count(*), {sign}sum(size) FROM {rows} WHERE stored_at IS NOT NULL
        GROUP BY namespace_uid ORDER BY namespace_uid
    ON CONFLICT (namespace_uid) DO UPDATE SET number = u.number + excluded.number, bytes = u.bytes + excluded.bytes"""
_STATEMENTS = (
    """CREATE TABLE artifact_usage (
        namespace_uid text PRIMARY KEY, number bigint NOT NULL, bytes bigint NOT NULL,
        checked_at timestamptz NOT NULL DEFAULT now())""",
    "CREATE INDEX artifact_usage_by_check ON artifact_usage (checked_at)",
    "CREATE INDEX artifacts_by_namespace ON artifacts (namespace_uid) INCLUDE (size) WHERE stored_at IS NOT NULL",
    f"""CREATE FUNCTION count_artifacts() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF TG_OP = 'INSERT' THEN
            {_ADD.format(sign="", rows="came")};
        ELSE
            {_ADD.format(sign="-", rows="went")};
        END IF;
        RETURN NULL;
    END $$""",
    # Not for each statement: most updates say only that an artifact was used, and are not looked at.
    """CREATE FUNCTION count_changed_artifact() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        more integer := (NEW.stored_at IS NOT NULL)::integer - (OLD.stored_at IS NOT NULL)::integer;
        larger bigint := CASE WHEN NEW.stored_at IS NULL THEN 0 ELSE NEW.size END
            - CASE WHEN OLD.stored_at IS NULL THEN 0 ELSE OLD.size END;
    BEGIN
        INSERT INTO avouch.artifact_usage AS u (namespace_uid, number, bytes)
            VALUES (NEW.namespace_uid, more, larger)
            ON CONFLICT (namespace_uid) DO UPDATE SET number = u.number + more, bytes = u.bytes + larger;
        RETURN NULL;
    END $$""",
    """CREATE TRIGGER count_new_artifacts AFTER INSERT ON artifacts
        REFERENCING NEW TABLE AS came FOR EACH STATEMENT EXECUTE FUNCTION count_artifacts()""",
    """CREATE TRIGGER count_lost_artifacts AFTER DELETE ON artifacts
        REFERENCING OLD TABLE AS went FOR EACH STATEMENT EXECUTE FUNCTION count_artifacts()""",
    """CREATE TRIGGER count_changed_artifact AFTER UPDATE ON artifacts FOR EACH ROW
        WHEN (OLD.size <> NEW.size OR (OLD.stored_at IS NULL) <> (NEW.stored_at IS NULL))
        EXECUTE FUNCTION count_changed_artifact()""",
    # After the triggers, whose locks keep others from storing meanwhile.
    """INSERT INTO artifact_usage (namespace_uid, number, bytes)
        SELECT namespace_uid, count(*), sum(size) FROM artifacts WHERE stored_at IS NOT NULL GROUP BY namespace_uid""",
)
# A replica of the version before writes none of these.
_COLUMNS = (
    "ALTER TABLE namespaces ADD COLUMN was text NOT NULL DEFAULT '', ADD COLUMN gone_at timestamptz",
    "UPDATE namespaces SET gone_at = now() WHERE uid = ''",
    "ALTER TABLE verdicts ADD COLUMN left_out jsonb NOT NULL DEFAULT '{}'",
)


def upgrade() -> None:
    """Count from now on, beginning with what is there."""
    for statement in (*_STATEMENTS, *_COLUMNS):
        op.execute(statement)


def downgrade() -> None:
    """Count no more."""
    op.execute("ALTER TABLE verdicts DROP COLUMN left_out")
    op.execute("ALTER TABLE namespaces DROP COLUMN was, DROP COLUMN gone_at")
    for trigger in ("count_new_artifacts", "count_lost_artifacts", "count_changed_artifact"):
        op.execute(f"DROP TRIGGER {trigger} ON artifacts")
    op.execute("DROP FUNCTION count_artifacts()")
    op.execute("DROP FUNCTION count_changed_artifact()")
    op.execute("DROP INDEX artifacts_by_namespace")
    op.execute("DROP TABLE artifact_usage")
