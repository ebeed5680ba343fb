"""Verdicts as lists of signed documents; what judging in batches and delivering receiver by receiver need."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_STATEMENTS = (
    """CREATE TABLE verdict_documents (
        run_id uuid NOT NULL REFERENCES runs ON DELETE CASCADE, kind text NOT NULL,
        predicate_type text NOT NULL, digest text NOT NULL, bundle bytea NOT NULL,
        PRIMARY KEY (run_id, kind))""",
    """INSERT INTO verdict_documents (run_id, kind, predicate_type, digest, bundle)
        SELECT run_id, 'attestation', 'chainloop.dev/attestation/v0.2', attestation_digest, attestation FROM verdicts
        UNION ALL
        SELECT run_id, 'vsa', 'https://slsa.dev/verification_summary/v1',
            'sha256:' || encode(sha256(vsa), 'hex'), vsa FROM verdicts""",
    """ALTER TABLE verdicts DROP COLUMN statement, DROP COLUMN attestation, DROP COLUMN attestation_digest,
        DROP COLUMN vsa""",
    # A batch of runs that one worker judges in one transaction. Its row is committed before judging begins and deleted
    # with the verdicts; a row whose advisory lock is free tells of a worker that died over these runs.
    "CREATE TABLE judging_batches (id bigserial PRIMARY KEY, runs uuid[] NOT NULL)",
    # Jobs in the order in which they become due: those that wait for a far time are not read over and over. Those for
    # batches and those to be judged alone do not stand in each other's way.
    """CREATE INDEX judging_due ON procrastinate_jobs ((coalesce(scheduled_at, '-infinity')), id)
        WHERE status = 'todo' AND queue_name = 'judge' AND attempts = 0 AND priority >= 0""",
    """CREATE INDEX judging_alone ON procrastinate_jobs ((coalesce(scheduled_at, '-infinity')), id)
        WHERE status = 'todo' AND queue_name = 'judge' AND (attempts > 0 OR priority < 0)""",
    # One attachment's due deliveries, and the step from one attachment to the next, without reading the others'.
    "CREATE INDEX deliveries_due_by_attachment ON deliveries (attachment_uid, next_try) WHERE state = 'pending'",
    # The planner would walk it, and with it the queues of all others, to find the first rows of one attachment.
    "DROP INDEX deliveries_due",
    "DROP INDEX deliveries_pending",  # the beginning of deliveries_due_by_attachment
)


def upgrade() -> None:
    """Move the documents, create the rest."""
    for statement in _STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Move the documents back; the statement is read out of its envelope."""
    op.execute("CREATE INDEX deliveries_pending ON deliveries (attachment_uid) WHERE state = 'pending'")
    op.execute("CREATE INDEX deliveries_due ON deliveries (next_try) WHERE state = 'pending'")
    for index in ("deliveries_due_by_attachment", "judging_due", "judging_alone"):
        op.execute(f"DROP INDEX {index}")
    op.execute("DROP TABLE judging_batches")
    op.execute(
        "ALTER TABLE verdicts ADD COLUMN statement bytea, ADD COLUMN attestation bytea,"
        " ADD COLUMN attestation_digest text, ADD COLUMN vsa bytea"
    )
    op.execute(
        """UPDATE verdicts SET attestation = a.bundle, attestation_digest = a.digest, vsa = v.bundle,
            statement = decode(convert_from(a.bundle, 'UTF8')::jsonb #>> '{dsseEnvelope,payload}', 'base64')
            FROM verdict_documents a JOIN verdict_documents v ON v.run_id = a.run_id AND v.kind = 'vsa'
            WHERE a.run_id = verdicts.run_id AND a.kind = 'attestation'"""
    )
    for column in ("statement", "attestation", "attestation_digest", "vsa"):
        op.execute(f"ALTER TABLE verdicts ALTER COLUMN {column} SET NOT NULL")
    op.execute("DROP TABLE verdict_documents")
