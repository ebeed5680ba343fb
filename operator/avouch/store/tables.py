"""Every table as the repositories see it. The migrations create them; a test compares the two."""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

SCHEMA = "avouch"
_NUMBER = sa.BigInteger
metadata = sa.MetaData()  # no schema here: the connection's search_path names it, so procrastinate shares it


def _time(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _text(name: str, *, key: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text, primary_key=key, nullable=False)


def _json(name: str) -> sa.Column[object]:
    return sa.Column(name, pg.JSONB, nullable=False)


leases = sa.Table(  # one row: the newest epoch that wrote
    "leases", metadata, sa.Column("id", sa.Boolean, primary_key=True), sa.Column("epoch", sa.BigInteger, nullable=False)
)
versions = sa.Table(  # one row: the newest resource version
    "versions",
    metadata,
    sa.Column("id", sa.Boolean, primary_key=True),
    sa.Column("value", sa.BigInteger, nullable=False),
    sa.Column("expired", sa.BigInteger, nullable=False),
)
history = sa.Table(  # one row, written once: since when this database is, and how far it was seen
    "history",
    metadata,
    sa.Column("id", sa.Boolean, primary_key=True),
    sa.Column("identity", pg.UUID(as_uuid=True), nullable=False),
    _time("born_at"),
    sa.Column("mark", sa.BigInteger, nullable=False),
    _time("rewound_at", nullable=True),
)
namespaces = sa.Table(  # of one that is gone: its uid `was`
    "namespaces",
    metadata,
    *(_text("name", key=True), _text("uid")),
    sa.Column("was", sa.Text, nullable=False, server_default=""),
    _time("gone_at", nullable=True),
)
contract_revisions = sa.Table(
    "contract_revisions",
    metadata,
    _text("namespace_uid", key=True),
    _text("name", key=True),
    sa.Column("revision", sa.Integer, primary_key=True),
    _text("namespace"),
    _text("uid"),
    _text("digest"),
    sa.Column("canonical", sa.LargeBinary, nullable=False),
    _time("recorded_at"),
    _text("source_digest"),
    sa.Column("resolved", sa.LargeBinary, nullable=False, server_default=""),
    sa.Column("version", sa.BigInteger, nullable=False, server_default="0"),  # by a trigger: in the order of COMMIT
)
policy_documents = sa.Table(
    "policy_documents", metadata, _text("digest", key=True), sa.Column("document", sa.LargeBinary, nullable=False)
)
policy_fetches = sa.Table(  # content: NULL before it was fetched, and where that failed; next_try: NULL for never
    "policy_fetches",
    metadata,
    *(_text(name, key=True) for name in ("namespace_uid", "reference")),
    _time("asked_at"),
    _time("next_try", nullable=True),
    sa.Column("failures", sa.Integer, nullable=False, server_default="0"),
    sa.Column("failure", sa.Text, nullable=False, server_default=""),
    sa.Column("content", sa.LargeBinary, nullable=True),
)
policy_exceptions = sa.Table(  # those that except something now, but for their time
    "policy_exceptions",
    metadata,
    *(_text(n, key=True) for n in ("namespace", "name")),
    *(_text(n) for n in ("namespace_uid", "policy", "digest", "reason", "granted_by")),
    *(sa.Column(n, pg.ARRAY(sa.Text), nullable=False) for n in ("workflows", "materials")),
    _time("expires_at"),
)
replays = sa.Table(  # what a revision would have done to past runs: of each Contract what was asked last
    "replays",
    metadata,
    *(_text(n, key=True) for n in ("namespace_uid", "name")),
    _text("namespace"),
    sa.Column("revision", sa.Integer, nullable=False),
    _time("asked_at"),
    sa.Column("tries", sa.Integer, nullable=False, server_default="0"),
    *(_time(n, nullable=True) for n in ("leased_until", "done_at")),
    sa.Column("result", pg.JSONB(none_as_null=True), nullable=True),
)
tokens = sa.Table(
    "tokens",
    metadata,
    _text("id", key=True),
    *(_text(n) for n in ("name", "namespace", "namespace_uid", "uid", "scope", "workflow")),
    sa.Column("digest", sa.LargeBinary, nullable=False),
    _time("created_at"),
    *(_time(n, nullable=True) for n in ("expires_at", "revoked_at", "last_used_at", "delivered_at")),
    *(_text(n) for n in ("revoked_because", "rotate")),
)
organizations = sa.Table("organisations", metadata, _text("name", key=True), _text("home"), _json("settings"))
projects = sa.Table("projects", metadata, _text("namespace", key=True), _text("organisation", key=True))
workflows = sa.Table(
    "workflows",
    metadata,
    _text("namespace", key=True),
    _text("name", key=True),
    _text("namespace_uid"),
    _text("uid"),
    sa.Column("generation", sa.BigInteger, nullable=False),
    _json("spec"),
    _json("labels"),
    _text("contract_namespace"),
    _text("contract_name"),
    _time("open_since", nullable=True),
    _time("open_until", nullable=True),
    sa.Column("version", sa.BigInteger, nullable=False),
)
cut_results = sa.Table(  # Workflows whose runs lost results for want of room beside the sidecar
    "cut_results",
    metadata,
    _text("workflow_uid", key=True),
    sa.Column("generation", sa.BigInteger, nullable=False),
)
declared = sa.Table(  # each change of a namespace's Workflows and Contract revisions raises its version
    "declared",
    metadata,
    _text("namespace", key=True),
    *(sa.Column(n, sa.BigInteger, nullable=False) for n in ("version", "removed")),
)
attachments = sa.Table(
    "attachments",
    metadata,
    _text("namespace", key=True),
    _text("name", key=True),
    _text("uid"),
    _text("integration"),
    _text("type"),
    _json("config"),
    _text("workflow"),
    _json("selector"),
)
runs = sa.Table(
    "runs",
    metadata,
    sa.Column("id", pg.UUID(as_uuid=True), primary_key=True),
    *(_text(n) for n in ("name", "workflow_uid", "subject_uid", "namespace", "namespace_uid", "workflow")),
    *(_text(n) for n in ("subject_kind", "subject_name", "contract")),
    sa.Column("revision", sa.Integer, nullable=False),
    *(_text(n) for n in ("contract_digest", "plan", "result", "evidence")),
    _time("created_at"),
    _time("finished_at", nullable=True),
    _time("judged_at", nullable=True),
    _json("labels"),  # the Workflow's
    *(sa.Column(f"{n}_version", sa.BigInteger, nullable=False) for n in ("resource", "created", "judged")),
    # The verdict that the present one took the place of; those before that are `superseded_verdicts`.
    sa.Column("superseded", pg.JSONB(none_as_null=True), nullable=True),
    sa.Column("own_labels", pg.JSONB, nullable=False, server_default="{}"),  # the subject's, which its Workflow names
)
run_keys = sa.Table(  # what one run can be found by, by triggers: label:KEY, digest, commit
    "run_keys",
    metadata,
    _text("namespace_uid"),
    *(_text(n, key=True) for n in ("key", "value")),
    _text("name"),
    sa.Column("run_id", pg.UUID(as_uuid=True), primary_key=True),
)
run_labels = sa.Table(  # which labels runs of a Workflow have, by triggers
    "run_labels",
    metadata,
    *(_text(n, key=True) for n in ("namespace_uid", "workflow", "digest")),
    _json("labels"),
)
run_deletions = sa.Table(  # records of runs that somebody deleted: they stay
    "run_deletions",
    metadata,
    sa.Column("run_id", pg.UUID(as_uuid=True), primary_key=True),
    *(_text(n) for n in ("namespace_uid", "namespace", "name", "workflow", "subject_kind", "subject_name")),
    *(_text(n) for n in ("subject_uid", "contract")),
    sa.Column("revision", sa.Integer, nullable=False),
    *(_text(n) for n in ("contract_digest", "result", "evidence")),
    _json("documents"),  # digests of what was signed, by kind
    _time("created_at"),
    _time("judged_at", nullable=True),
    *(_text(n) for n in ("deleted_by", "reason")),
    _time("requested_at"),
    _time("deleted_at", nullable=True),
)
external_runs = sa.Table(  # named before such runs were called external; renaming a table would stop older replicas
    "outside_runs",
    metadata,
    sa.Column("run_id", pg.UUID(as_uuid=True), primary_key=True),
    *(_json(n) for n in ("attester", "runner")),
    *(_text(n) for n in ("organization", "version")),
    *(sa.Column(n, sa.Boolean, nullable=False) for n in ("prerelease", "release")),
    _time("expires_at"),
    sa.Column("lifetime", sa.Interval, nullable=False),
    sa.Column("reset", pg.JSONB(none_as_null=True), nullable=True),
)
project_versions = sa.Table(
    "project_versions",
    metadata,
    _text("namespace_uid", key=True),
    _text("name", key=True),
    sa.Column("latest", sa.Boolean, nullable=False),
    _time("created_at"),
    _time("released_at", nullable=True),
)
run_states = sa.Table(  # what a client remembers of a run between its commands: opaque to us
    "run_states",
    metadata,
    sa.Column("run_id", pg.UUID(as_uuid=True), primary_key=True),
    _text("digest"),
    sa.Column("content", sa.LargeBinary, nullable=False),
)
tickets = sa.Table(  # one download each
    "tickets",
    metadata,
    sa.Column("digest", sa.LargeBinary, primary_key=True),
    sa.Column("run_id", pg.UUID(as_uuid=True), nullable=False),
    _text("artifact"),
    _time("expires_at"),
)
snapshots = sa.Table(
    "snapshots", metadata, sa.Column("run_id", pg.UUID(as_uuid=True), primary_key=True), _json("document")
)
claims = sa.Table(
    "claims",
    metadata,
    _text("digest", key=True),
    sa.Column("id", pg.UUID(as_uuid=True), nullable=False),
    sa.Column("run_id", pg.UUID(as_uuid=True), nullable=False),
    sa.Column("bundle", sa.LargeBinary, nullable=False),
    *(_text(n) for n in ("pod_uid", "taskrun_uid", "taskrun", "pipeline_task", "service_account")),
    _time("received_at"),
    sa.Column("explicit", sa.Boolean, nullable=False),
    _text("pod"),
)
verdicts = sa.Table(
    "verdicts",
    metadata,
    sa.Column("run_id", pg.UUID(as_uuid=True), primary_key=True),
    *(_json(n) for n in ("findings", "materials", "annotations", "env", "left_out")),
    sa.Column("evaluations", pg.JSONB, nullable=False, server_default="[]"),
    sa.Column("claims", pg.JSONB(none_as_null=True), nullable=True),  # digests of those it was reached with
    sa.Column("reevaluation", pg.JSONB(none_as_null=True), nullable=True),  # who asked for it, and why
)
superseded_verdicts = sa.Table(  # of a run that was judged again and again: what its row had as `superseded`, by number
    "superseded_verdicts",
    metadata,
    sa.Column("run_id", pg.UUID(as_uuid=True), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    _json("document"),
)
reevaluations = sa.Table(  # of each run the last time that somebody asked to have it judged again
    "reevaluations",
    metadata,
    sa.Column("run_id", pg.UUID(as_uuid=True), primary_key=True),
    *(_text(n) for n in ("namespace_uid", "asked_by", "reason")),
    _time("asked_at"),
    sa.Column("tries", sa.Integer, nullable=False, server_default="0"),
    *(_time(n, nullable=True) for n in ("next_try", "leased_until", "answered_at")),
    sa.Column("state", sa.Text, nullable=False, server_default="Waiting"),
    sa.Column("message", sa.Text, nullable=False, server_default=""),
)
verdict_documents = sa.Table(  # what was signed with a verdict: one row for each kind of document
    "verdict_documents",
    metadata,
    sa.Column("run_id", pg.UUID(as_uuid=True), primary_key=True),
    _text("kind", key=True),
    *(_text(n) for n in ("predicate_type", "digest")),
    sa.Column("bundle", sa.LargeBinary, nullable=False),
)
judging_batches = sa.Table(  # runs that one worker judges in one transaction, while it does
    "judging_batches",
    metadata,
    sa.Column("id", sa.BigInteger, primary_key=True),
    sa.Column("runs", pg.ARRAY(pg.UUID(as_uuid=True)), nullable=False),
)
payloads = sa.Table(  # what is delivered, once per run however many attachments there are
    "payloads",
    metadata,
    sa.Column("run_id", pg.UUID(as_uuid=True), primary_key=True),
    _text("digest", key=True),
    sa.Column("content", sa.LargeBinary, nullable=False),
)
deliveries = sa.Table(
    "deliveries",
    metadata,
    sa.Column("id", pg.UUID(as_uuid=True), primary_key=True),
    sa.Column("run_id", pg.UUID(as_uuid=True), nullable=False),
    *(_text(n) for n in ("payload_digest", "attachment_uid", "attachment", "namespace", "type")),
    _json("config"),
    _text("state"),
    sa.Column("attempts", sa.Integer, nullable=False),
    _text("last_error"),
    _time("next_try", nullable=True),
    _time("leased_until", nullable=True),
    _time("changed_at"),
)
delivery_counts = sa.Table(  # settled deliveries, as far as their changes are folded
    "delivery_counts",
    metadata,
    *(_text(n, key=True) for n in ("attachment_uid", "state")),
    sa.Column("number", _NUMBER, nullable=False),
)
delivery_changes = sa.Table(  # those that are not folded yet: appended by triggers
    "delivery_changes",
    metadata,
    sa.Column("id", _NUMBER, sa.Identity(always=True), primary_key=True),
    *(_text(n) for n in ("attachment_uid", "state")),
    sa.Column("number", _NUMBER, nullable=False),
)
blobs = sa.Table(
    "blobs",
    metadata,
    _text("backend", key=True),
    _text("digest", key=True),
    sa.Column("content", sa.LargeBinary, nullable=False),
)
cas_backends = sa.Table(  # a removed one stays while artifacts lie in it
    "cas_backends",
    metadata,
    _text("uid", key=True),
    *(_text(n) for n in ("namespace", "namespace_uid", "name")),
    sa.Column("generation", sa.BigInteger, nullable=False),
    _json("spec"),
    _text("location"),
    _text("problem"),
    sa.Column("removed", sa.Boolean, nullable=False),
    sa.Column("checked_generation", sa.BigInteger, nullable=False),
    _time("checked_at", nullable=True),
    sa.Column("reachable", sa.Boolean),
    sa.Column("writable", sa.Boolean),
    _text("message"),
    _time("next_check"),
)
artifacts = sa.Table(  # where the bytes lie; one without stored_at is on its way
    "artifacts",
    metadata,
    *(_text(n, key=True) for n in ("digest", "namespace_uid", "backend_uid")),
    sa.Column("size", sa.BigInteger, nullable=False),
    _time("stored_at", nullable=True),
    _time("used_at"),
)
artifact_usage = sa.Table(  # what a namespace has stored, by triggers
    "artifact_usage",
    metadata,
    _text("namespace_uid", key=True),
    *(sa.Column(n, _NUMBER, nullable=False) for n in ("number", "bytes")),
    _time("checked_at"),
)
damaged_artifacts = sa.Table(  # copies that a read found damaged and nobody stored again yet
    "damaged_artifacts", metadata, _text("digest", key=True), _text("backend_uid", key=True)
)
run_artifacts = sa.Table(  # what a run refers to
    "run_artifacts",
    metadata,
    sa.Column("run_id", pg.UUID(as_uuid=True), primary_key=True),
    _text("digest", key=True),
    _text("namespace_uid"),
)
artifact_checks = sa.Table(  # artifacts that may be garbage: new ones and those that lost a reference, by triggers
    "artifact_checks",
    metadata,
    sa.Column("id", _NUMBER, sa.Identity(always=True), primary_key=True),
    *(_text(n) for n in ("digest", "namespace_uid")),
    _time("due"),
)
garbage = sa.Table(  # bytes that nothing refers to, to be removed
    "garbage", metadata, _text("digest", key=True), _text("backend_uid", key=True), _time("next_try")
)
