"""One server at a time on one PostgreSQL, whatever ends."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import TYPE_CHECKING

import pytest

from bench.stacks.stores import postgres
from deploy.store.guard.pulse import CHECK_SECONDS, HUNG_SECONDS
from tests.support.cell.guards import (
    PASSWORD,
    Guard,
    address_of,
    needs_haproxy,
    needs_postgres,
    prepare_roles,
    safe_server,
)
from tests.support.faults.starts import Starts
from tests.support.ports import free_port
from tests.support.processes import wait_until
from tests.support.server import binary
from tests.support.stack import Stack, running_stack

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from bench.stacks.stores import PostgresStore
    from tests.support.cell.guards import SafeServer

pytestmark = [needs_postgres, needs_haproxy]

FLIGHT = 100
SECOND_ENDS_SECONDS = 2.0


@pytest.fixture(name="store", scope="module")
def _store() -> Iterator[PostgresStore]:
    with postgres() as store:
        prepare_roles(store)
        yield store


@pytest.fixture(name="server", scope="module")
def _server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SafeServer]:
    with safe_server(tmp_path_factory.mktemp("cell")) as server:
        yield server


@pytest.fixture(name="whole")
def _whole(server: SafeServer) -> Iterator[SafeServer]:
    """Yield a server with a spare; start again what has ended."""
    yield server
    server.complete()


@pytest.fixture(name="stack", scope="module")
def _stack(server: SafeServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running_stack(tmp_path_factory.mktemp("stack"), workers=2, server=server) as stack:
        yield stack


def exit_of(
    store: PostgresStore, directory: Path, *flags: str, **environment: str
) -> tuple[int, str]:
    """Run a guard that ends by itself; return its code and what it has said."""
    guard = Guard("refused", directory, {**address_of(store), **environment}, *flags)
    guard.start()
    assert guard.child is not None
    try:
        code = guard.child.wait(20)
    finally:
        guard.end()
    return code, guard.log.read_text()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("SUPERUSER", "the role resonate is a superuser"),
        ("CONNECTION LIMIT -1", "the role resonate may have any number of connections"),
        ("CONNECTION LIMIT 2", "the role resonate may have 2 connections"),
    ],
)
def test_a_role_that_lets_a_second_server_in(
    store: PostgresStore, tmp_path: Path, change: str, words: str
) -> None:
    """A guard refuses a role that is no fence, and says what to do."""
    store.run(f"ALTER ROLE resonate {change}")
    try:
        code, said = exit_of(store, tmp_path)
    finally:
        prepare_roles(store)

    assert (code, words in said) == (2, True), said


def test_a_database_without_the_roles(store: PostgresStore, tmp_path: Path) -> None:
    """A server role that PostgreSQL does not know is refused."""
    store.run("DROP ROLE IF EXISTS other_guard; CREATE ROLE other_guard LOGIN PASSWORD 'x'")

    code, said = exit_of(store, tmp_path, PGUSER="other", PGPASSWORD="x")

    assert (code, "PostgreSQL has no role other: run roles.sql" in said) == (2, True), said


WORKERS_FLAG = "--aio-store-postgres-workers"
WORKERS_VARIABLE = "AIO_SUBSYSTEMS_STORE_POSTGRES_CONFIG_WORKERS"
WORKERS_KEY = "aio.subsystems.store.postgres.config.workers"


@pytest.mark.parametrize("flags", [(f"{WORKERS_FLAG}=4",), (WORKERS_FLAG, "4")])
def test_several_workers_by_flag(
    store: PostgresStore, tmp_path: Path, flags: tuple[str, ...]
) -> None:
    """More than one worker of the store is refused by the name of the flag."""
    code, said = exit_of(store, tmp_path, *flags)

    assert (code, f"{WORKERS_FLAG}=4: the store must have one worker" in said) == (2, True), said


def test_several_workers_by_variable(store: PostgresStore, tmp_path: Path) -> None:
    """They are refused by the name of the variable."""
    code, said = exit_of(store, tmp_path, **{WORKERS_VARIABLE: "4"})

    words = f"{WORKERS_VARIABLE}=4: the store must have one worker"
    assert (code, words in said) == (2, True), said


def test_several_workers_by_file(store: PostgresStore, tmp_path: Path) -> None:
    """They are refused by the server's file and its key, whose case the server ignores."""
    file = tmp_path / "resonate.yaml"
    file.write_text("aio: {subsystems: {store: {Postgres: {config: {workers: 4}}}}}")

    code, said = exit_of(store, tmp_path, f"--config={file}")

    words = f"{file}: {WORKERS_KEY}=4: the store must have one worker"
    assert (code, words in said) == (2, True), said


@pytest.mark.alone
def test_a_second_server_ends(stack: Stack, server: SafeServer, job: str) -> None:
    """A server without a guard ends with an error, and the first one does not notice it."""
    command = [str(binary()), "serve", *server.guards[1].arguments[:1]]
    flags = (
        *(f"--api-http-addr=127.0.0.1:{free_port()}", f"--aio-poll-addr=127.0.0.1:{free_port()}"),
        *("--metrics-addr=127.0.0.1:0", f"--aio-store-postgres-password={PASSWORD}"),
    )
    own = [f for f in server.postgres.flags if "username" not in f and "password" not in f]
    began = time.monotonic()
    second = subprocess.Popen(
        [*command, *own, "--aio-store-postgres-username=resonate", *flags],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    with ThreadPoolExecutor(1) as beside:
        begins = beside.submit(lambda: [stack.begin(f"{job}-{n}").status for n in range(FLIGHT)])
        said, _ = second.communicate(timeout=10)
        seconds = time.monotonic() - began
        statuses = begins.result()

    assert second.returncode != 0
    assert "too many connections" in said
    assert seconds < SECOND_ENDS_SECONDS
    assert statuses == [202] * FLIGHT
    assert {stack.outcome(f"{job}-{n}")["status"] for n in range(FLIGHT)} == {"resolved"}


def in_flight(stack: Stack, job: str) -> list[str]:
    """Begin executions of three steps, and return their ids while they run."""
    ids = [f"{job}-{number}" for number in range(FLIGHT)]
    for id in ids:
        assert stack.begin(id, "checkout", {"pace": 0.05}).status == 202
    return ids


def check_ends(stack: Stack, ids: Sequence[str]) -> None:
    """Check that all end well, and that no step was started once its result was stored."""
    starts = Starts(lambda: stack.workers)
    for id in ids:
        ended = stack.outcome(id, 60)
        assert ended["status"] == "resolved", ended
        for step in ended["steps"]:
            over = datetime.fromisoformat(step["ended"]).timestamp()
            times = [start.at for start in starts.of(id) if start.step == step["name"]]
            assert max(times) <= over, (id, step, times)


def answers_again(stack: Stack, server: SafeServer, id: str) -> float:
    """Return the seconds until a begin is stored."""
    began = time.monotonic()
    wait_until(lambda: stack.begin(id).status == 202, what="a begin")
    assert server.active()
    return time.monotonic() - began


@pytest.mark.parametrize("what", ["server", "guard", "stop"])
def test_the_active_server_ends(stack: Stack, whole: SafeServer, job: str, what: str) -> None:
    """The spare answers within a second; nothing is lost, and no stored step runs again."""
    ids = in_flight(stack, job)
    active = whole.active()
    if what == "stop":
        assert active.stop() == 0
    else:
        os.kill(active.pid if what == "guard" else active.server(), signal.SIGKILL)
    assert answers_again(stack, whole, f"{job}-after") < 1.0

    check_ends(stack, ids)
    assert whole.active() is not active


def test_the_active_server_hangs(stack: Stack, whole: SafeServer, job: str) -> None:
    """A server that is frozen is killed after ten seconds, and the spare goes on."""
    ids = in_flight(stack, job)
    active = whole.active()
    os.kill(active.server(), signal.SIGSTOP)
    wait_until(lambda: not active.running(), what="the end of the guard")
    assert answers_again(stack, whole, f"{job}-after") < 1.0

    check_ends(stack, ids)
    assert "the server hangs" in active.log.read_text()
    assert whole.active() is not active


def test_postgresql_answers_nothing(stack: Stack, whole: SafeServer, job: str) -> None:
    """A server whose calls wait for PostgreSQL does not hang, however long they wait."""
    ids = in_flight(stack, job)
    active = whole.active()
    before = (active.server(), [guard.pid for guard in whole.guards])
    seconds = HUNG_SECONDS + 2 * CHECK_SECONDS
    whole.postgres.run(f"LOCK TABLE promises, tasks; SELECT pg_sleep({seconds})")
    answers_again(stack, whole, f"{job}-after")

    check_ends(stack, ids)
    assert (active.server(), [guard.pid for guard in whole.guards]) == before


def test_postgresql_is_away(stack: Stack, whole: SafeServer, job: str) -> None:
    """While PostgreSQL is away no server ends; afterwards the active one goes on."""
    ids = in_flight(stack, job)
    active = whole.active()
    before = (active.server(), [guard.pid for guard in whole.guards])
    whole.postgres.stop(signal.SIGQUIT)
    assert wait_until(lambda: stack.begin(f"{job}-away").status, what="an answer") == 503
    whole.postgres.start()
    answers_again(stack, whole, f"{job}-away")

    check_ends(stack, ids)
    assert whole.active() is active
    assert (active.server(), [guard.pid for guard in whole.guards]) == before
    assert all(worker.running() for worker in stack.workers.values())
