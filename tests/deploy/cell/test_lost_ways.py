"""Guards whose way to PostgreSQL is lost, or who are not let in."""

from __future__ import annotations

import contextlib
import socket
import time
from typing import TYPE_CHECKING

import pytest

from bench.stacks.stores import postgres
from deploy.store.guard.lock import AWAY_SECONDS, CONNECT_SECONDS, MOST_UNSEEN, REFUSED_SECONDS
from tests.support.cell.guards import Guard, address_of, needs_postgres, prepare_roles
from tests.support.cell.silent import way_to
from tests.support.processes import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bench.stacks.stores import PostgresStore
    from tests.support.cell.silent import Way

pytestmark = needs_postgres

MARGIN = 5.0


@pytest.fixture(name="store", scope="module")
def _store() -> Iterator[PostgresStore]:
    with postgres() as store:
        prepare_roles(store)
        yield store


@pytest.fixture(name="way")
def _way(store: PostgresStore) -> Iterator[Way]:
    with way_to(store.port) as way:
        yield way


@contextlib.contextmanager
def guard_of(
    store: PostgresStore, folder: Path, name: str, *flags: str, **own: str
) -> Iterator[Guard]:
    """Run a guard until the block ends."""
    guard = Guard(name, folder, {**address_of(store), **own}, *flags)
    guard.start()
    try:
        yield guard
    finally:
        guard.end()


def ended(guard: Guard, seconds: float) -> int:
    """Wait until a guard ends by itself; return its code."""
    assert guard.child is not None
    return guard.child.wait(seconds)


def sessions(store: PostgresStore) -> int:
    """Return how many sessions servers and guards have."""
    query = "SELECT count(*) FROM pg_stat_activity WHERE usename LIKE 'resonate%'"
    return int(store.rows(query)[0][0])


def test_a_server_that_waits_for_an_answer_for_ever(
    store: PostgresStore, way: Way, tmp_path: Path
) -> None:
    """PostgreSQL is back on another machine, and the server does not notice: it is killed."""
    with guard_of(store, tmp_path, "guard", PGPORT=str(way.port)) as guard:
        wait_until(guard.serves, what="the server")
        asked = way.asked
        wait_until(lambda: way.asked > asked + 1, what="looks of the guard")
        way.lose_connections(lambda: wait_until(lambda: sessions(store) == 0, what="their end"))

        assert ended(guard, MOST_UNSEEN + MARGIN) == 1
        assert "the server has no connection to PostgreSQL" in guard.log.read_text()


def test_an_active_server_is_cut_off_alone(store: PostgresStore, way: Way, tmp_path: Path) -> None:
    """It ends soon after the other one has become active, and waits as the spare later.

    Prometheus gets an answer of both, but of the first one none without an error until then.
    """
    with contextlib.ExitStack() as guards:
        own = guard_of(store, tmp_path, "guard-1", PGPORT=str(way.port))
        first = guards.enter_context(own)
        wait_until(first.serves, what="the active server")
        second = guards.enter_context(guard_of(store, tmp_path, "guard-2"))
        wait_until(second.waits, what="the spare")
        assert [first.is_up(), second.is_up()] == [True, True]
        # A client that asks nothing does not keep the port from the server.
        guards.enter_context(socket.create_connection(("127.0.0.1", second.metrics_port)))
        way.cut()
        began = time.monotonic()
        wait_until(second.serves, what="the other server")
        wait_until(lambda: not first.server(), what="the end of the first server")
        assert time.monotonic() - began < AWAY_SECONDS + CONNECT_SECONDS + MARGIN

        assert first.running()
        wait_until(second.is_up, what="metrics of the other server")
        assert not first.is_up()
        way.heal()
        wait_until(first.waits, what="the spare")
        wait_until(first.is_up, what="an answer of the spare")
        assert second.serves()


def test_a_spare_whose_port_for_metrics_is_taken(store: PostgresStore, tmp_path: Path) -> None:
    """It waits all the same, and says that it cannot be scraped."""
    with guard_of(store, tmp_path, "guard-1") as first:
        wait_until(lambda: first.serves() and first.is_up(), what="the active server")
        taken = f"--metrics-addr=127.0.0.1:{first.metrics_port}"
        with guard_of(store, tmp_path, "guard-2", taken) as second:
            wait_until(second.waits, what="the spare")
            assert "this server cannot be scraped while it waits" in second.log.read_text()


def test_a_copy_that_only_reads(store: PostgresStore, tmp_path: Path) -> None:
    """A guard waits until PostgreSQL can be written to."""
    store.run("ALTER ROLE resonate_guard SET default_transaction_read_only = on")
    try:
        with guard_of(store, tmp_path, "guard") as guard:
            wait_until(lambda: "read-only" in guard.log.read_text(), what="the refusal")
            assert not guard.server()
            store.run("ALTER ROLE resonate_guard RESET default_transaction_read_only")
            wait_until(guard.serves, what="the server")
    finally:
        store.run("ALTER ROLE resonate_guard RESET default_transaction_read_only")


def test_a_password_that_has_changed(store: PostgresStore, tmp_path: Path) -> None:
    """A guard that is refused for a while ends, so that it starts with what is set then."""
    rules = store.folder / "data" / "pg_hba.conf"
    before = rules.read_text()
    rules.write_text(f"host all resonate_guard 127.0.0.1/32 scram-sha-256\n{before}")
    store.run("SELECT pg_reload_conf()")
    try:
        with guard_of(store, tmp_path, "guard", PGPASSWORD="former") as guard:
            began = time.monotonic()
            assert ended(guard, REFUSED_SECONDS + 2 * MARGIN) == 2
            assert time.monotonic() - began > REFUSED_SECONDS
            assert "PostgreSQL refuses PGPASSWORD" in guard.log.read_text()
    finally:
        rules.write_text(before)
        store.run("SELECT pg_reload_conf()")
