"""What lists and periodic queries need so that their cost does not grow with the runs that are stored.

Immutable: a change of the schema is a new file. All of it is one transaction, so the indexes are not made concurrently:
writes to `runs` wait, for about half a minute with a million runs (docs/adr/0016).
"""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

# Lists find runs by the uid of the present namespace, so a namespace with runs is always known. The controller corrects
# the uid with its next fenced write.
_NAMESPACES = (
    """WITH RECURSIVE named AS (
        (SELECT namespace FROM runs ORDER BY namespace LIMIT 1)
        UNION ALL
        SELECT following.namespace FROM named CROSS JOIN LATERAL (
            SELECT namespace FROM runs WHERE namespace > named.namespace ORDER BY namespace LIMIT 1) following)
    INSERT INTO namespaces (name, uid)
        SELECT named.namespace,
            (SELECT namespace_uid FROM runs WHERE namespace = named.namespace ORDER BY created_at DESC LIMIT 1)
        FROM named WHERE NOT EXISTS (SELECT FROM namespaces known WHERE known.name = named.namespace)""",
    # A run has the labels of its Workflow, so few sets of labels say which Workflows a selector can mean. An index of
    # the labels of every run would cost a seventh of what is written for a run.
    """CREATE TABLE run_labels (
        namespace_uid text NOT NULL, workflow text NOT NULL, digest text NOT NULL, labels jsonb NOT NULL,
        PRIMARY KEY (namespace_uid, workflow, digest))""",
    """INSERT INTO run_labels
        SELECT DISTINCT namespace_uid, workflow, md5(labels::text), labels FROM runs""",
    """CREATE FUNCTION know_runs() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO avouch.namespaces (name, uid)
            SELECT DISTINCT ON (namespace) namespace, namespace_uid FROM opened
            WHERE NOT EXISTS (SELECT FROM avouch.namespaces known WHERE known.name = opened.namespace)
            ORDER BY namespace ON CONFLICT DO NOTHING;
        INSERT INTO avouch.run_labels (namespace_uid, workflow, digest, labels)
            SELECT DISTINCT namespace_uid, workflow, md5(labels::text), labels FROM opened
            WHERE NOT EXISTS (SELECT FROM avouch.run_labels known
                WHERE (known.namespace_uid, known.workflow, known.digest)
                    = (opened.namespace_uid, opened.workflow, md5(opened.labels::text)))
            ORDER BY 1, 2, 3 ON CONFLICT DO NOTHING;
        RETURN NULL;
    END $$""",
    """CREATE TRIGGER know_runs AFTER INSERT ON runs
        REFERENCING NEW TABLE AS opened FOR EACH STATEMENT EXECUTE FUNCTION know_runs()""",
)
_RUNS = (
    "DROP INDEX runs_by_name",  # by the name of the namespace: nothing looks that way any more
    "CREATE INDEX runs_by_workflow ON runs (namespace_uid, workflow, name)",
    # Almost every run passes: those are found in the order of the list, only the others need an index.
    "CREATE INDEX runs_by_verdict ON runs (namespace_uid, result, name) WHERE result <> 'Passed'",
    """CREATE INDEX runs_by_evidence ON runs (namespace_uid, evidence, name)
        WHERE evidence NOT IN ('', 'sidecar', 'taskrun')""",
    """CREATE FUNCTION tell_of_changes() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        PERFORM pg_notify('avouch_runs', '');
        RETURN NULL;
    END $$""",
    """CREATE TRIGGER tell_of_changes AFTER UPDATE ON versions
        FOR EACH STATEMENT EXECUTE FUNCTION tell_of_changes()""",
)
# Settled deliveries are counted as they settle. Changes are appended and folded later, so that nobody waits for the row
# of a busy attachment.
_COUNT = """CREATE FUNCTION count_deliveries() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO avouch.delivery_changes (attachment_uid, state, number)
            SELECT attachment_uid, state, count(*) FROM became WHERE state <> 'pending' GROUP BY 1, 2;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO avouch.delivery_changes (attachment_uid, state, number)
            SELECT attachment_uid, state, -count(*) FROM was WHERE state <> 'pending' GROUP BY 1, 2;
    ELSE
        INSERT INTO avouch.delivery_changes (attachment_uid, state, number)
            SELECT attachment_uid, state, sum(number) FROM (
                SELECT attachment_uid, state, 1 AS number FROM became WHERE state <> 'pending'
                UNION ALL SELECT attachment_uid, state, -1 FROM was WHERE state <> 'pending') changed
            GROUP BY 1, 2 HAVING sum(number) <> 0;
    END IF;
    RETURN NULL;
END $$"""
_COUNTED = "ON deliveries REFERENCING {} FOR EACH STATEMENT EXECUTE FUNCTION count_deliveries()"
_DELIVERIES = (
    "DROP INDEX deliveries_by_attachment",
    "CREATE INDEX deliveries_pending ON deliveries (attachment_uid) WHERE state = 'pending'",
    "CREATE INDEX deliveries_tried ON deliveries (attachment_uid, changed_at) WHERE attempts > 0",
    """CREATE TABLE delivery_counts (
        attachment_uid text NOT NULL, state text NOT NULL, number bigint NOT NULL,
        PRIMARY KEY (attachment_uid, state))""",
    """CREATE TABLE delivery_changes (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, attachment_uid text NOT NULL, state text NOT NULL,
        number bigint NOT NULL)""",
    "CREATE INDEX delivery_changes_by_attachment ON delivery_changes (attachment_uid)",
    """INSERT INTO delivery_counts
        SELECT attachment_uid, state, count(*) FROM deliveries WHERE state <> 'pending' GROUP BY 1, 2""",
    _COUNT,
    f"CREATE TRIGGER count_new_deliveries AFTER INSERT {_COUNTED.format('NEW TABLE AS became')}",
    f"CREATE TRIGGER count_changed_deliveries AFTER UPDATE {_COUNTED.format('OLD TABLE AS was NEW TABLE AS became')}",
    f"CREATE TRIGGER count_lost_deliveries AFTER DELETE {_COUNTED.format('OLD TABLE AS was')}",
)
# Only a new artifact, or one that lost a reference, can be garbage. The references of a run that is deleted go by
# cascade, so no code of ours sees them go.
_ARTIFACTS = (
    "DROP INDEX artifacts_by_use",
    """CREATE TABLE artifact_checks (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, digest text NOT NULL, namespace_uid text NOT NULL,
        due timestamptz NOT NULL)""",
    "CREATE INDEX artifact_checks_due ON artifact_checks (due)",
    """INSERT INTO artifact_checks (digest, namespace_uid, due)
        SELECT DISTINCT stored.digest, stored.namespace_uid, now() FROM artifacts stored WHERE NOT EXISTS (
            SELECT FROM run_artifacts used
            WHERE (used.digest, used.namespace_uid) = (stored.digest, stored.namespace_uid))""",
    """CREATE FUNCTION check_artifacts() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO avouch.artifact_checks (digest, namespace_uid, due)
            SELECT DISTINCT digest, namespace_uid, now() + CAST(TG_ARGV[0] AS interval) FROM changed;
        RETURN NULL;
    END $$""",
    """CREATE TRIGGER check_new_artifacts AFTER INSERT ON artifacts
        REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION check_artifacts('2 hours')""",
    """CREATE TRIGGER check_unused_artifacts AFTER DELETE ON run_artifacts
        REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION check_artifacts('0')""",
)


def upgrade() -> None:
    """Make the indexes, the counters and their triggers."""
    for statement in (*_NAMESPACES, *_RUNS, *_DELIVERIES, *_ARTIFACTS):
        op.execute(statement)


def downgrade() -> None:
    """Undo it; the namespaces that were learnt stay."""
    for table, trigger in (
        ("runs", "know_runs"), ("versions", "tell_of_changes"), ("deliveries", "count_new_deliveries"),
        ("deliveries", "count_changed_deliveries"), ("deliveries", "count_lost_deliveries"),
        ("artifacts", "check_new_artifacts"), ("run_artifacts", "check_unused_artifacts"),
    ):  # fmt: skip
        op.execute(f"DROP TRIGGER {trigger} ON {table}")
    for function in ("know_runs", "tell_of_changes", "count_deliveries", "check_artifacts"):
        op.execute(f"DROP FUNCTION {function}()")
    for table in ("delivery_counts", "delivery_changes", "artifact_checks", "run_labels"):
        op.execute(f"DROP TABLE {table}")
    for index in (
        "runs_by_workflow", "runs_by_verdict", "runs_by_evidence", "deliveries_pending",
        "deliveries_tried",
    ):  # fmt: skip
        op.execute(f"DROP INDEX {index}")
    op.execute("CREATE INDEX runs_by_name ON runs (namespace, name)")
    op.execute("CREATE INDEX deliveries_by_attachment ON deliveries (attachment_uid, state)")
    op.execute("CREATE INDEX artifacts_by_use ON artifacts (used_at)")
