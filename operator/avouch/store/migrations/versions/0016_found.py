"""Runs are found by their build, by labels of it, by an image and by a commit; revisions are watched.

Immutable: a change of the schema is a new file. Runs that are judged already are found by images and commits; labels
of their builds were never stored.
"""

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

# What belongs to the run, not to a Workflow, has as many values as runs: each is a row, in the order of lists.
# A run has one for each image, commit and label that its Workflow names.
_KEYS = (
    "ALTER TABLE runs ADD COLUMN own_labels jsonb NOT NULL DEFAULT '{}'",
    """CREATE TABLE run_keys (
        namespace_uid text NOT NULL, key text NOT NULL, value text NOT NULL, name text NOT NULL,
        run_id uuid NOT NULL REFERENCES runs (id) ON DELETE CASCADE, PRIMARY KEY (run_id, key, value))""",
    "CREATE INDEX run_keys_by_value ON run_keys (namespace_uid, key, value, name)",
    "CREATE INDEX runs_by_subject_name ON runs (namespace_uid, subject_name, name)",
    "CREATE INDEX runs_by_kind ON runs (namespace_uid, subject_kind, name) WHERE subject_kind <> 'PipelineRun'",
    """CREATE FUNCTION find_by_labels() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO avouch.run_keys (namespace_uid, key, value, name, run_id)
            SELECT NEW.namespace_uid, 'label:' || own.key, own.value, NEW.name, NEW.id
            FROM jsonb_each_text(NEW.own_labels) own ON CONFLICT DO NOTHING;
        RETURN NULL;
    END $$""",
    """CREATE TRIGGER find_by_labels AFTER INSERT ON runs FOR EACH ROW WHEN (NEW.own_labels <> '{}')
        EXECUTE FUNCTION find_by_labels()""",
)
# Images and other outputs by their digests; whatever is a commit's hash, wherever the run names it.
_FOUND = """INSERT INTO avouch.run_keys (namespace_uid, key, value, name, run_id)
    SELECT r.namespace_uid, k.key, k.value, r.name, r.id FROM {rows} v JOIN avouch.runs r ON r.id = v.run_id
    CROSS JOIN LATERAL (
        SELECT 'digest' AS key, m ->> 'digest' AS value FROM jsonb_array_elements(v.materials) m
            WHERE m ->> 'digest' ~ '^sha256:[0-9a-f]{{64}}$'
            AND (m ->> 'output' = 'true' OR m ->> 'type' IN ('CONTAINER_IMAGE', 'HELM_CHART'))
        UNION ALL SELECT 'commit', said.value FROM (
            SELECT m ->> 'value' FROM jsonb_array_elements(v.materials) m WHERE m ->> 'type' = 'STRING'
            UNION ALL SELECT value FROM jsonb_each_text(v.annotations)
            UNION ALL SELECT value FROM jsonb_each_text(v.env)
        ) AS said (value) WHERE length(said.value) IN (40, 64) AND said.value ~ '^[0-9a-f]+$'
    ) k ON CONFLICT DO NOTHING"""
_VERDICTS = (
    f"""CREATE FUNCTION find_by_verdict() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        {_FOUND.format(rows="came")};
        RETURN NULL;
    END $$""",
    """CREATE TRIGGER find_by_verdict AFTER INSERT ON verdicts
        REFERENCING NEW TABLE AS came FOR EACH STATEMENT EXECUTE FUNCTION find_by_verdict()""",
    _FOUND.format(rows="avouch.verdicts"),
)
# Revisions of before have the version of now: whoever listed them watches from there.
_REVISIONS = (
    "ALTER TABLE contract_revisions ADD COLUMN version bigint NOT NULL DEFAULT 0",
    "UPDATE versions SET value = value + 1",
    "UPDATE contract_revisions SET version = (SELECT value FROM versions)",
    "CREATE INDEX contract_revisions_by_version ON contract_revisions (version)",
    # By whoever records one, also a replica that does not know the column: the row of `versions` is held until COMMIT.
    """CREATE FUNCTION stamp_revisions() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        UPDATE avouch.versions SET value = value + 1 RETURNING value INTO NEW.version;
        RETURN NEW;
    END $$""",
    """CREATE TRIGGER stamp_revisions BEFORE INSERT ON contract_revisions
        FOR EACH ROW EXECUTE FUNCTION stamp_revisions()""",
)


def upgrade() -> None:
    """Make the keys of what is there, and of what comes."""
    for statement in (*_KEYS, *_VERDICTS, *_REVISIONS):
        op.execute(statement)


def downgrade() -> None:
    """Forget them."""
    for table, trigger, function in (
        ("contract_revisions", "stamp_revisions", "stamp_revisions"),
        ("verdicts", "find_by_verdict", "find_by_verdict"),
        ("runs", "find_by_labels", "find_by_labels"),
    ):
        op.execute(f"DROP TRIGGER {trigger} ON {table}")
        op.execute(f"DROP FUNCTION {function}()")
    op.execute("ALTER TABLE contract_revisions DROP COLUMN version")
    op.execute("DROP TABLE run_keys")
    for index in ("runs_by_subject_name", "runs_by_kind"):
        op.execute(f"DROP INDEX {index}")
    op.execute("ALTER TABLE runs DROP COLUMN own_labels")
