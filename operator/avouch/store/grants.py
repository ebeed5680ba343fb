"""What each process may do in the database: one literal table, applied by `avouch migrate`, which owns everything.

A process connects as a role of its own that owns nothing. Where triggers of ours or of the queue write a table, whoever
fires them needs the right; what goes by cascade needs none.
"""

import logging
from collections.abc import Iterator, Mapping
from typing import Final

import sqlalchemy as sa

from avouch import names
from avouch.store import tables

_log = logging.getLogger(__name__)

Rights = Mapping[str, tuple[str, ...]]

ROLES: Final = names.DATABASE_ROLES

_READ = ("SELECT",)
_ADD = ("SELECT", "INSERT")
_WHOLE = ("SELECT", "INSERT", "UPDATE", "DELETE")
_VERSION = ("SELECT", "UPDATE (value)")
# Of runs only; a trigger refuses a run that begins with a verdict to whom may change none.
_OPENED = "UPDATE (finished_at, resource_version, created_version, judged_version)"
# Jobs as procrastinate keeps them; its triggers note each change, and forget who deferred what is deleted.
_QUEUE: Rights = {
    "procrastinate_jobs": _WHOLE,
    "procrastinate_events": _ADD,
    "procrastinate_periodic_defers": ("SELECT", "UPDATE (job_id)"),
}
# Rows of other tables that know a namespace and the labels of runs: written where a run is opened.
_KNOWN: Rights = {"namespaces": _ADD, "run_labels": _ADD, "run_keys": _ADD, "run_deletions": _READ}
_SCHEMA: Rights = {"alembic_version": _READ}  # which one it is

GRANTS: Final[Mapping[str, Rights]] = {
    # It speaks with everybody: it takes claims and artifacts, and decides nothing.
    "server": {
        **_SCHEMA,
        **_QUEUE,
        **_KNOWN,
        "artifact_checks": ("INSERT",),
        "artifact_usage": (*_ADD, "UPDATE (number, bytes)"),
        "artifacts": (*_ADD, "UPDATE (size, stored_at, used_at)"),
        "blobs": _WHOLE,
        "cas_backends": (
            *_READ,
            "UPDATE (checked_generation, checked_at, reachable, writable, message, next_check)",
        ),
        "claims": _ADD,
        "contract_revisions": _READ,
        "cut_results": _READ,
        "damaged_artifacts": (*_ADD, "DELETE"),
        "declared": _READ,
        "deliveries": _READ,
        "garbage": (*_READ, "UPDATE (next_try)", "DELETE"),
        "organisations": _READ,
        "outside_runs": (*_ADD, "UPDATE (expires_at, reset)"),
        "project_versions": (*_ADD, "UPDATE (latest)"),
        "projects": _READ,
        # It asks; who judges and answers is the worker. What was answered it takes away, to ask again.
        "reevaluations": (*_READ, "INSERT (run_id, namespace_uid, asked_by, reason, asked_at)", "DELETE"),
        "run_artifacts": _ADD,
        "run_deletions": _ADD,  # it asks; who carries it out is the worker
        "run_states": _WHOLE,
        "runs": (*_ADD, _OPENED),
        "superseded_verdicts": _READ,
        "tickets": (*_ADD, "DELETE"),
        "tokens": (*_READ, "UPDATE (last_used_at)"),
        "verdict_documents": _READ,
        "verdicts": _READ,
        "versions": _VERSION,
        "workflows": _READ,
    },
    # It decides, delivers, and deletes what is old enough.
    "worker": {
        **_SCHEMA,
        **_QUEUE,
        "procrastinate_workers": _WHOLE,
        "artifact_checks": (*_ADD, "UPDATE (due)", "DELETE"),
        "artifact_usage": (*_ADD, "UPDATE (number, bytes, checked_at)", "DELETE"),
        "artifacts": (*_READ, "UPDATE (used_at)", "DELETE"),
        "attachments": _READ,
        "blobs": _READ,
        "cas_backends": _READ,
        "claims": _READ,
        "contract_revisions": _READ,
        "damaged_artifacts": _ADD,
        "deliveries": (
            *_ADD,
            "UPDATE (state, attempts, last_error, next_try, leased_until, changed_at)",
            "DELETE",
        ),
        "delivery_changes": _WHOLE,
        "delivery_counts": (*_ADD, "UPDATE (number)"),
        "garbage": _ADD,
        "judging_batches": _WHOLE,
        "namespaces": (*_READ, "DELETE"),
        "organisations": _READ,
        "outside_runs": _READ,
        "payloads": _ADD,
        "policy_documents": _READ,
        "policy_fetches": (*_READ, "UPDATE (content, failure, failures, next_try)", "DELETE"),  # it asks for none
        "policy_exceptions": _READ,
        "project_versions": (*_READ, "UPDATE (released_at)", "DELETE"),
        "projects": _READ,
        "reevaluations": (*_READ, "UPDATE (tries, next_try, leased_until, answered_at, state, message)"),
        "replays": (*_READ, "UPDATE (tries, leased_until, done_at, result)"),
        "run_artifacts": _ADD,
        "run_deletions": (*_READ, "UPDATE (result, evidence, judged_at, documents, deleted_at)"),
        "run_keys": _ADD,
        "runs": (
            *_READ,
            "UPDATE (result, evidence, judged_at, superseded, resource_version, created_version, judged_version)",
            "DELETE",
        ),
        "snapshots": _READ,
        # A verdict that a late claim contradicts, or that somebody had judged again, is set aside.
        "superseded_verdicts": _ADD,
        "verdict_documents": (*_ADD, "UPDATE (kind)"),
        "verdicts": (*_ADD, "DELETE"),
        "versions": ("SELECT", "UPDATE (value, expired)"),
        "workflows": _READ,
    },
    # It records what users declare and what the cluster saw; each of its writes is fenced by `leases`.
    "controller": {
        **_SCHEMA,
        **_QUEUE,
        **_KNOWN,
        "namespaces": (*_ADD, "UPDATE (uid, was, gone_at)"),
        "artifact_usage": _READ,
        "artifacts": _READ,
        "attachments": _WHOLE,
        "cas_backends": _WHOLE,
        "contract_revisions": _ADD,
        "cut_results": (*_ADD, "UPDATE (generation)", "DELETE"),
        "declared": (*_ADD, "UPDATE (version, removed)"),
        "deliveries": _READ,
        "delivery_changes": _READ,
        "delivery_counts": _READ,
        "garbage": _READ,
        "history": ("SELECT", "UPDATE (mark, rewound_at)"),
        "leases": ("SELECT", "UPDATE (epoch)"),
        "organisations": _WHOLE,
        "policy_documents": _ADD,
        "policy_fetches": (*_ADD, "UPDATE (asked_at)", "DELETE"),
        "policy_exceptions": _WHOLE,
        "projects": _WHOLE,
        "replays": (*_ADD, "UPDATE (revision, asked_at, tries, done_at, result)"),
        "runs": (*_ADD, _OPENED),
        "snapshots": _ADD,
        "tokens": (
            *_ADD,
            "UPDATE (delivered_at, expires_at, revoked_at, revoked_because)",
            "DELETE",
        ),
        "verdicts": _READ,
        "versions": ("SELECT", "UPDATE (value, expired)"),
        "workflows": _WHOLE,
    },
}


def statements(process: str) -> Iterator[str]:
    """SQL that gives the role of a process its rights, and takes away all others."""
    role = ROLES[process]
    yield f"REVOKE ALL ON ALL TABLES IN SCHEMA {tables.SCHEMA} FROM {role}"
    yield f"REVOKE ALL ON ALL SEQUENCES IN SCHEMA {tables.SCHEMA} FROM {role}"
    yield f"GRANT USAGE ON SCHEMA {tables.SCHEMA} TO {role}"
    yield f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA {tables.SCHEMA} TO {role}"
    for table, rights in GRANTS[process].items():
        yield f"GRANT {', '.join(rights)} ON {tables.SCHEMA}.{table} TO {role}"


def apply(connection: sa.Connection) -> None:
    """Create the roles as far as this login may, and give rights to those that exist."""
    asked = {"roles": list(ROLES.values())}
    there = set(
        connection.execute(sa.text("SELECT rolname FROM pg_roles WHERE rolname = ANY(:roles)"), asked).scalars()
    )
    may = connection.execute(
        sa.text("SELECT rolsuper OR rolcreaterole FROM pg_roles WHERE rolname = current_user")
    ).scalar_one()
    missing = [role for role in ROLES.values() if role not in there]
    if missing and may:
        for role in missing:
            connection.exec_driver_sql(f"CREATE ROLE {role} NOLOGIN")
    elif missing:
        _log.info(
            "the roles %s are not there, and this login may not create them: processes have the owner's rights"
            " (fix: an administrator runs what `avouch database-roles` prints; see docs/operations.md)",
            ", ".join(missing),
        )
    for process, role in ROLES.items():
        if may or role in there:
            for statement in statements(process):
                connection.exec_driver_sql(statement)


def script() -> str:
    """SQL for an administrator whose `avouch migrate` may create no roles; safe to run again."""
    lines = [
        "-- Roles of avouch's processes. Run it as an administrator, then give each a login: either",
        "--   ALTER ROLE avouch_server LOGIN PASSWORD '...';",
        "-- or make a login of yours a member: GRANT avouch_server TO your_login;",
        "-- Their rights on tables are given by `avouch migrate`, as the owner of the tables.",
    ]
    for role in ROLES.values():
        lines.append(
            f"DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') THEN"
            f" CREATE ROLE {role} NOLOGIN; END IF; END $$;"
        )
    return "\n".join(lines) + "\n"
