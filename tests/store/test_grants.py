"""What the roles of server, worker and controller may do, by PostgreSQL itself."""

import json
import re
import uuid
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from avouch import errors
from avouch.store import database, grants, migrate, runs, tables
from tests import postgres
from tests.store.conftest import a_run

pytestmark = pytest.mark.postgres

_COLUMNS = re.compile(r"(?P<verb>[A-Z]+)(?: \((?P<columns>.+)\))?")


@pytest.fixture
def owner(server: postgres.Postgres) -> Iterator["psycopg.Connection[tuple[object, ...]]"]:
    with psycopg.connect(server.url, autocommit=True, options="-c search_path=avouch") as connection:
        yield connection


def written(process: str) -> set[tuple[str, str, str]]:
    """(table, verb, column) of the table of grants; column is "" for all of them."""
    found = set()
    for table, rights in grants.GRANTS[process].items():
        for right in rights:
            said = _COLUMNS.fullmatch(right)
            assert said is not None
            columns = said["columns"].split(", ") if said["columns"] else [""]
            found |= {(table, said["verb"], column) for column in columns}
    return found


@pytest.mark.parametrize("process", grants.ROLES)
def test_the_database_grants_what_the_table_says_and_no_more(owner, process: str) -> None:
    role = grants.ROLES[process]
    whole = "SELECT table_name, privilege_type, '' FROM information_schema.role_table_grants WHERE grantee = %s"
    granted = set(owner.execute(whole, (role,)).fetchall())
    by_column = (
        "SELECT table_name, privilege_type, column_name FROM information_schema.column_privileges WHERE grantee = %s"
    )
    of_columns = {one for one in owner.execute(by_column, (role,)).fetchall() if (one[0], one[1], "") not in granted}
    assert granted | of_columns == written(process)


@pytest.mark.parametrize("process", grants.ROLES)
def test_every_table_in_it_exists_and_nothing_is_granted_to_everybody(owner, process: str) -> None:
    stored = {row[0] for row in owner.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'avouch'").fetchall()}
    assert grants.GRANTS[process].keys() <= stored
    everybody = (
        "SELECT count(*) FROM information_schema.role_table_grants WHERE grantee = 'PUBLIC' AND table_schema = 'avouch'"
    )
    assert owner.execute(everybody).fetchone() == (0,)
    assert {table.name for table in tables.metadata.sorted_tables} <= set().union(*map(set, grants.GRANTS.values()))


REFUSED = {
    "server": (
        "UPDATE verdicts SET findings = '[]'",
        "INSERT INTO verdicts (run_id) VALUES (gen_random_uuid())",
        "UPDATE verdict_documents SET bundle = ''",
        "INSERT INTO verdict_documents (run_id) VALUES (gen_random_uuid())",
        "UPDATE runs SET result = 'Passed'",
        "DELETE FROM runs",
        "UPDATE leases SET epoch = 1000000",
        "UPDATE tokens SET digest = ''",
        "UPDATE tokens SET revoked_at = NULL",
        "INSERT INTO tokens (id) VALUES ('t')",
        "UPDATE claims SET bundle = ''",
        "DELETE FROM claims",
        "UPDATE workflows SET spec = '{}'",
        "UPDATE contract_revisions SET canonical = ''",
        "UPDATE project_versions SET released_at = NULL",
        "UPDATE deliveries SET config = '{}'",
        "SELECT * FROM snapshots",
        "SELECT * FROM policy_fetches",
        "SELECT * FROM payloads",
        "SELECT config FROM attachments",
    ),
    "worker": (
        "SELECT digest FROM tokens",
        "UPDATE leases SET epoch = 1000000",
        "UPDATE verdicts SET findings = '[]'",
        "UPDATE verdict_documents SET bundle = ''",
        "UPDATE claims SET bundle = ''",
        "INSERT INTO runs (id) VALUES (gen_random_uuid())",
        "UPDATE runs SET contract_digest = ''",
        "UPDATE workflows SET spec = '{}'",
        "INSERT INTO contract_revisions (name) VALUES ('c')",
        "UPDATE attachments SET config = '{}'",
        "UPDATE deliveries SET config = '{}'",
        "SELECT content FROM run_states",
        "SELECT * FROM tickets",
        "INSERT INTO policy_fetches (reference) VALUES ('https://10.0.0.1/x.yaml')",
        "UPDATE policy_fetches SET reference = 'https://10.0.0.1/x.yaml'",
        "INSERT INTO policy_documents (digest) VALUES ('d')",
    ),
    "controller": (
        "INSERT INTO verdicts (run_id) VALUES (gen_random_uuid())",
        "UPDATE runs SET result = 'Passed'",
        "DELETE FROM runs",
        "UPDATE tokens SET digest = ''",
        "UPDATE contract_revisions SET canonical = ''",
        "SELECT bundle FROM claims",
        "SELECT content FROM blobs",
        "SELECT * FROM verdict_documents",
        "SELECT content FROM run_states",
        "SELECT * FROM tickets",
        "UPDATE snapshots SET document = '{}'",
        "UPDATE policy_fetches SET content = ''",
    ),
}
PERMITTED = {
    "server": (
        "INSERT INTO runs DEFAULT VALUES",
        "INSERT INTO namespaces DEFAULT VALUES",
        "INSERT INTO run_labels DEFAULT VALUES",
        "INSERT INTO claims DEFAULT VALUES",
        "SELECT digest FROM claims",
        "INSERT INTO run_artifacts DEFAULT VALUES",
        "SELECT digest FROM run_artifacts",
        "SELECT content FROM blobs",
        "INSERT INTO blobs DEFAULT VALUES",
        "UPDATE blobs SET content = ''",
        "DELETE FROM blobs",
        "UPDATE run_states SET content = ''",
        "DELETE FROM tickets",
        "UPDATE versions SET value = value + 1",
        "SELECT digest FROM tokens",
        "SELECT spec FROM workflows",
    ),
    "worker": (
        "UPDATE runs SET result = 'Passed'",
        "DELETE FROM runs",
        "INSERT INTO verdicts DEFAULT VALUES",
        "INSERT INTO verdict_documents DEFAULT VALUES",
        "SELECT bundle FROM claims",
        "UPDATE versions SET value = value + 1, expired = value",
        "INSERT INTO judging_batches DEFAULT VALUES",
        "DELETE FROM judging_batches",
        "INSERT INTO procrastinate_workers DEFAULT VALUES",
        "UPDATE procrastinate_workers SET last_heartbeat = now()",
        "DELETE FROM procrastinate_workers",
        "DELETE FROM delivery_changes",
    ),
    "controller": (
        "INSERT INTO runs DEFAULT VALUES",
        "UPDATE namespaces SET uid = ''",
        "INSERT INTO namespaces DEFAULT VALUES",
        "INSERT INTO run_labels DEFAULT VALUES",
        "INSERT INTO contract_revisions DEFAULT VALUES",
        "SELECT canonical FROM contract_revisions",
        "INSERT INTO workflows DEFAULT VALUES",
        "UPDATE workflows SET spec = '{}'",
        "DELETE FROM workflows",
        "SELECT spec FROM workflows",
        "UPDATE versions SET value = value + 1",
        "UPDATE leases SET epoch = epoch + 1",
    ),
}
EACH = (
    "INSERT INTO procrastinate_jobs DEFAULT VALUES",
    "UPDATE procrastinate_jobs SET status = 'todo'",
    "DELETE FROM procrastinate_jobs",
    "SELECT id FROM procrastinate_jobs",
    "INSERT INTO procrastinate_events DEFAULT VALUES",
    "UPDATE procrastinate_periodic_defers SET job_id = NULL WHERE job_id = 1",
    "SELECT value FROM versions",
)
ALL = (
    "CREATE TABLE avouch.mine (id int)",
    "DROP TABLE verdicts",
    "TRUNCATE verdicts",
    "ALTER TABLE runs DISABLE TRIGGER ALL",
    "SET ROLE avouch",
    "CREATE ROLE other",
)


@pytest.mark.parametrize(
    ("process", "statement"),
    [(process, one) for process in grants.ROLES for one in (*REFUSED[process], *ALL)],
)
def test_what_a_process_has_no_business_with_is_refused(server, process: str, statement: str) -> None:
    with psycopg.connect(server.url_of(process), options="-c search_path=avouch") as connection:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(statement.encode())


@pytest.mark.parametrize("process", grants.ROLES)
def test_a_process_may_do_what_it_is_there_for(server, process: str) -> None:
    with psycopg.connect(server.url_of(process), options="-c search_path=avouch") as connection:
        for statement in (*PERMITTED[process], *EACH):
            connection.execute(f"EXPLAIN {statement}".encode())  # asks for the rights, and changes nothing


@pytest.mark.parametrize("process", ["server", "controller"])
@pytest.mark.parametrize(
    "verdict",
    [
        {"result": "Passed"},
        {"evidence": "sidecar"},
        {"judged_at": "2026-01-02T03:04:05Z"},
        {"judged_version": 1},
        {"superseded": [{"result": "Rejected"}]},
    ],
)
async def test_who_opens_runs_opens_none_with_a_verdict(server, opened, process: str, verdict: dict[str, Any]) -> None:
    store = runs.Runs(opened)
    first = await store.open(a_run())
    await store.close()
    copied = (
        "INSERT INTO runs SELECT (jsonb_populate_record(r, %s::jsonb)).* FROM runs r WHERE r.id = %s RETURNING result"
    )
    other = {"id": str(uuid.uuid4()), "name": "forged", "subject_uid": "other"}
    with psycopg.connect(server.url_of(process), options="-c search_path=avouch", autocommit=True) as connection:
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="a run begins without a verdict"):
            connection.execute(copied, (json.dumps(other | verdict), first.id))
        assert connection.execute(copied, (json.dumps(other), first.id)).fetchone() == ("Pending",)


@pytest.mark.parametrize("process", grants.ROLES)
async def test_a_refused_statement_is_an_error_and_never_not_found(server, process: str) -> None:
    async with database.Database(server.url_of(process)) as opened:
        with pytest.raises(errors.AvouchError, match="permission denied"):
            async with opened.transaction() as connection:
                await connection.exec_driver_sql("DELETE FROM verdict_documents")


def test_a_right_that_is_no_longer_in_the_table_is_taken_away(server, owner) -> None:
    owner.execute("GRANT ALL ON leases TO avouch_server")
    migrate.migrate(server.url)
    has = "SELECT has_table_privilege('avouch_server', 'avouch.leases', 'SELECT')"
    assert owner.execute(has).fetchone() == (False,)


def test_an_owner_that_may_create_no_roles_says_who_may_and_migrates(caplog) -> None:
    with postgres.running(roles=False) as bare:
        with caplog.at_level("INFO", logger="avouch.store.grants"):
            migrate.migrate(bare.url)
        with psycopg.connect(bare.url) as connection:
            assert connection.execute("SELECT count(*) FROM pg_roles WHERE rolname LIKE 'avouch_%'").fetchone() == (0,)
    assert "avouch database-roles" in caplog.text


def test_an_owner_that_may_create_roles_makes_those_that_are_missing(caplog) -> None:
    with postgres.running(roles=False) as bare:
        bare.administer("CREATE ROLE avouch_worker; ALTER ROLE avouch CREATEROLE;")
        with caplog.at_level("INFO", logger="avouch.store.grants"):
            for _ in range(2):
                migrate.migrate(bare.url)
        with psycopg.connect(bare.url, options="-c search_path=avouch") as connection:
            may = "SELECT has_table_privilege(%s, 'runs', 'SELECT')"
            for role in grants.ROLES.values():
                assert connection.execute(may, (role,)).fetchone() == (True,)
    assert caplog.text == ""


def test_who_finds_all_roles_says_nothing(server, caplog) -> None:
    with caplog.at_level("INFO", logger="avouch.store.grants"):
        migrate.migrate(server.url)
    assert caplog.text == ""


def test_what_is_printed_for_an_administrator_makes_every_role_and_may_be_run_again() -> None:
    with postgres.running(roles=False) as bare:
        for _ in range(2):
            bare.administer(grants.script())
        with psycopg.connect(bare.url) as connection:
            found = connection.execute("SELECT rolname FROM pg_roles WHERE rolname LIKE 'avouch_%'").fetchall()
            assert {name for (name,) in found} == set(grants.ROLES.values())


@pytest.mark.parametrize(
    "said", ["as an administrator", "LOGIN PASSWORD", "GRANT avouch_server TO your_login", "given by `avouch migrate`"]
)
def test_what_is_printed_says_who_runs_it_and_what_comes_after(said: str) -> None:
    assert said in grants.script()
