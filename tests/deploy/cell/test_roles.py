"""What is prepared in PostgreSQL: roles by somebody who is no superuser, and indexes again."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from bench.stacks.stores import postgres
from tests.support.cell.guards import Guard, address_of, needs_postgres, prepare_roles
from tests.support.processes import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.stacks.stores import PostgresStore

pytestmark = needs_postgres

STATES = """
SELECT relname, indisvalid FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
WHERE relname LIKE 'durable%' ORDER BY relname
"""
SLEEPING = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
TIMEOUT_SECONDS = 1
"""Seconds for a statement in this database: longer than one of psql takes beside other tests."""


@pytest.fixture(name="store", scope="module")
def _store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresStore]:
    """Yield a PostgreSQL with the server's tables, whose roles a plain administrator has made."""
    with postgres() as store:
        store.run("CREATE ROLE administrator LOGIN CREATEROLE CREATEDB")
        prepare_roles(store, "administrator")
        guard = Guard("guard", tmp_path_factory.mktemp("guard"), address_of(store))
        guard.start()
        try:
            wait_until(guard.serves, what="the server")
        finally:
            guard.end()
        yield store


def test_an_administrator_makes_the_roles(store: PostgresStore) -> None:
    """A role that may make roles and databases is enough, also a second time."""
    prepare_roles(store, "administrator")

    found = store.rows(
        "SELECT rolname, rolsuper, rolconnlimit FROM pg_roles WHERE rolname LIKE 'resonate%'"
    )
    assert sorted(found) == [["resonate", "f", "1"], ["resonate_guard", "f", "16"]]


def test_a_superuser_is_made_none(store: PostgresStore) -> None:
    """Run by a superuser it takes from the server's role what would make it no fence."""
    store.run("ALTER ROLE resonate SUPERUSER CONNECTION LIMIT -1")
    prepare_roles(store)

    found = store.rows("SELECT rolsuper, rolconnlimit FROM pg_roles WHERE rolname = 'resonate'")
    assert found == [["f", "1"]]


def test_an_index_that_was_interrupted(store: PostgresStore) -> None:
    """An index of which an interrupted run has left the name is built, however long it takes."""
    store.index()
    whole = store.rows(STATES)
    assert len(whole) > 5
    store.run(
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'durable_tasks_due'::regclass"
    )
    assert store.rows(STATES) != whole
    # An index waits for the end of statements that began before it.
    with ThreadPoolExecutor(1) as pool:
        older = pool.submit(store.run, f"SELECT pg_sleep({3 * TIMEOUT_SECONDS})")
        wait_until(lambda: store.rows(SLEEPING), what="an older statement")
        store.run(f"ALTER DATABASE resonate SET statement_timeout = '{TIMEOUT_SECONDS}s'")
        try:
            store.index()
        finally:
            store.run("ALTER DATABASE resonate RESET statement_timeout")
        older.result()

    assert store.rows(STATES) == whole
