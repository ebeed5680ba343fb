"""A build whose run was deleted gets none by a Workflow that was made anew under the same name, either.

Immutable: a change of the schema is a new file. Two names of a Workflow are two runs, and so are two external ids.
"""

from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

_FUNCTION = """CREATE OR REPLACE FUNCTION stay_deleted() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF EXISTS (SELECT FROM avouch.run_deletions d WHERE d.run_id = NEW.id){same} THEN
            RETURN NULL;
        END IF;
        RETURN NEW;
    END $$"""
_SAME = """ OR NEW.subject_kind <> 'External' AND EXISTS (SELECT FROM avouch.run_deletions d
            WHERE d.subject_uid = NEW.subject_uid AND d.workflow = NEW.workflow
            AND d.namespace_uid = NEW.namespace_uid AND d.subject_kind <> 'External')"""


def upgrade() -> None:
    """Know a build by its own UID."""
    op.execute("CREATE INDEX run_deletions_by_subject ON run_deletions (subject_uid)")
    op.execute(_FUNCTION.format(same=_SAME))


def downgrade() -> None:
    """Know the run alone."""
    op.execute(_FUNCTION.format(same=""))
    op.execute("DROP INDEX run_deletions_by_subject")
