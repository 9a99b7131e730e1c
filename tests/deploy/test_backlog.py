"""Tasks that wait: how often the server tries them, who asks for them, and who hands them back."""

from __future__ import annotations

import json
import time
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING

import pytest

from bench.stacks.server import BenchServer
from bench.stacks.stores import postgres, postgres_programs
from shared.resonate.tasks import Locks
from shared.resonate.transport import Transport
from shared.settings import ServerSettings
from tests.support.processes import call, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bench.stacks.stores import PostgresStore
    from tests.support.server import Server

HOUR = 3_600_000


@pytest.fixture(name="cluster", scope="module")
def _cluster() -> Iterator[PostgresStore | None]:
    """Yield a PostgreSQL, None where there is none."""
    if postgres_programs() is None:
        yield None
        return
    with postgres() as store:
        yield store


@pytest.fixture(name="server", params=["sqlite", "postgres"])
def _server(
    request: pytest.FixtureRequest, tmp_path: Path, cluster: PostgresStore | None
) -> Iterator[BenchServer]:
    if request.param == "postgres" and cluster is None:
        pytest.skip("PostgreSQL is not installed")
    store = cluster if request.param == "postgres" else None
    if store is not None:
        store.run("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    with ExitStack() as exits:
        server = BenchServer(tmp_path, store=store)
        server.start()
        exits.callback(server.kill)
        yield server


def create(server: Server, id: str, address: str = "poll://any@blue", **tags: str) -> None:
    """Create a promise whose task is sent to an address."""
    body = {"id": id, "timeout": 2**53, "tags": {"resonate:invoke": address, **tags}}
    url = f"http://127.0.0.1:{server.store_port}/promises"
    assert call(url, "POST", body).status == 201


def attempts(server: BenchServer) -> dict[str, int]:
    """Return how often the server has found no worker, by promise."""
    rows = server.sql.rows("SELECT root_promise_id, attempt FROM tasks")
    return {id: int(number) for id, number in rows}


def due(server: BenchServer) -> float:
    """Return the seconds until the only task is tried again."""
    [[at]] = server.sql.rows("SELECT expires_at FROM tasks")
    return int(at) / 1000 - time.time()


def set_aside(server: BenchServer) -> None:
    """Let all tasks wait for an hour."""
    later = int(time.time() * 1000) + HOUR
    server.sql.run(f"UPDATE tasks SET expires_at = {later}, attempt = 4 WHERE state = 1")


def acquire(server: Server, lock: str, holder: str, pid: str, milliseconds: int = 1) -> None:
    """Acquire a lock."""
    settings = ServerSettings("http://127.0.0.1", server.store_port)
    with closing(Transport(settings, attempt=5, budget=5)) as transport:
        Locks(transport).acquire(lock, holder, pid, milliseconds)


def ask(server: Server, group: str, number: object, lock: str = "offers.worker-1.1") -> None:
    """Acquire a lock as a worker does that wants offers."""
    acquire(server, lock, group, str(number))


def live(server: Server, pid: str) -> None:
    """Acquire the lock of a living worker, as workers did that ask for no offers."""
    acquire(server, f"alive.{pid}", pid, pid, 15_000)


def test_a_task_without_a_worker_is_tried_less_and_less(server: BenchServer) -> None:
    """The second pause is of 6 s or more, and so are the later ones."""
    create(server, "job")

    wait_until(lambda: attempts(server)["job"] == 2, what="the second attempt")

    assert 5 < due(server) < 12


def test_pauses_do_not_grow_beside_a_worker_that_never_asks(server: BenchServer) -> None:
    """While a worker of an earlier release lives, a task is tried every second, as it was then."""
    live(server, "worker-1")
    create(server, "job")

    wait_until(lambda: attempts(server)["job"] == 4, what="the fourth attempt")

    assert due(server) < 2


def test_a_worker_that_never_asks_ends_the_pauses(server: BenchServer) -> None:
    """What was set aside for long is tried when such a worker comes, and when it shows again."""
    create(server, "job")
    wait_until(lambda: attempts(server)["job"] > 0, what="an attempt")

    for _ in range(2):
        set_aside(server)
        live(server, "worker-1")
        wait_until(lambda: attempts(server)["job"] == 5, what="an attempt")


def test_a_worker_that_asks_leaves_the_pauses_alone(server: BenchServer) -> None:
    """Its lock names its group, and a look at the lock of another one changes nothing."""
    create(server, "job")
    wait_until(lambda: attempts(server)["job"] > 0, what="an attempt")
    set_aside(server)

    acquire(server, "alive.worker-1", "worker-1", "blue", 15_000)
    acquire(server, "alive.worker-2", "worker-1-looking", "worker-1")

    assert due(server) > 3_000


@pytest.mark.parametrize("number", ["-1", "many", "1.5", "99999999999"])
def test_a_number_that_no_worker_sends_brings_nothing(server: BenchServer, number: str) -> None:
    """The lock is granted, as any other lock is, and the tasks are left alone."""
    create(server, "job")
    wait_until(lambda: attempts(server)["job"] > 0, what="an attempt")
    set_aside(server)

    ask(server, "blue", number)

    assert due(server) > 3_000


def test_a_request_makes_the_oldest_of_a_group_due(server: BenchServer) -> None:
    """The oldest are tried at once, by age and not by id; the others wait."""
    for id in ("c", "b", "a"):
        create(server, id)
    create(server, "other", "poll://any@green")
    wait_until(lambda: min(attempts(server).values()) > 0, what="an attempt of each")
    set_aside(server)

    ask(server, "blue", 2)

    wait_until(lambda: attempts(server)["b"] == 5, what="an attempt")
    assert attempts(server) == {"c": 5, "b": 5, "a": 4, "other": 4}


def test_resumptions_come_before_the_backlog(server: BenchServer) -> None:
    """A task that names a worker, as those that resume an execution do, is tried besides."""
    create(server, "new")
    create(server, "newer")
    create(server, "goes-on", "poll://any@blue/worker-9")
    wait_until(lambda: min(attempts(server).values()) > 0, what="an attempt of each")
    set_aside(server)

    ask(server, "blue", 1)

    wait_until(lambda: attempts(server)["goes-on"] == 5, what="an attempt")
    assert attempts(server) == {"new": 5, "newer": 4, "goes-on": 5}


def test_an_execution_that_starts_later_is_not_made_due(server: BenchServer) -> None:
    """A request leaves a delay alone, and other locks leave all tasks alone."""
    later = int(time.time() * 1000) + HOUR
    create(server, "later", **{"resonate:delay": str(later)})
    create(server, "job")
    wait_until(lambda: attempts(server)["job"] > 0, what="an attempt")
    set_aside(server)
    server.sql.run("UPDATE tasks SET attempt = 0 WHERE root_promise_id = 'later'")

    ask(server, "blue", 9, lock="idle.blue")
    assert attempts(server) == {"later": 0, "job": 4}
    ask(server, "blue", 9)

    wait_until(lambda: attempts(server)["job"] == 5, what="an attempt")
    assert attempts(server)["later"] == 0


def claimed(server: BenchServer) -> dict[str, tuple[int, int]]:
    """Return state and counter of each task, by promise."""
    rows = server.sql.rows("SELECT root_promise_id, state, counter FROM tasks")
    return {id: (int(state), int(counter)) for id, state, counter in rows}


def test_what_a_dead_worker_held_is_free(server: BenchServer) -> None:
    """Claims and offers of this very counter are over; what another worker has since stays."""
    for id in ("claimed", "offered", "taken", "ended"):
        create(server, id)
    wait_until(lambda: min(attempts(server).values()) > 0, what="an attempt of each")
    far = int(time.time() * 1000) + HOUR
    for id, state, counter in (("claimed", 4, 7), ("offered", 2, 3), ("taken", 4, 9)):
        server.sql.run(
            f"UPDATE tasks SET state = {state}, counter = {counter}, process_id = 'worker-1', "
            f"expires_at = {far} WHERE root_promise_id = '{id}'"
        )
    server.sql.run(
        f"UPDATE tasks SET state = 8, expires_at = {far} WHERE root_promise_id = 'ended'"
    )

    held = {f"__invoke:{id}": n for id, n in (("claimed", 7), ("offered", 3), ("taken", 8))}
    acquire(server, "dead.1", json.dumps(held | {"__invoke:ended": 1}), "nobody", HOUR)

    found = claimed(server)
    assert (found["claimed"][1], found["offered"][1]) == (8, 4)
    assert (found["taken"], found["ended"][0]) == ((4, 9), 8)
    wait_until(
        lambda: {claimed(server)[id][0] for id in ("claimed", "offered")} == {1}, what="new tries"
    )
    assert server.sql.rows("SELECT count(*) FROM locks") == [["0"]]


@pytest.mark.parametrize(
    "held",
    ["no JSON", "[1]", "7", '{"__invoke:job": null}', '{"a": {"b": [NaN]}}', '{"\\u0000": 1}'],
)
def test_what_no_gateway_sends_hands_nothing_back(server: BenchServer, held: str) -> None:
    """The lock is granted, as any other lock is, and the tasks are left alone."""
    create(server, "job")
    wait_until(lambda: attempts(server)["job"] > 0, what="an attempt")
    far = int(time.time() * 1000) + HOUR
    server.sql.run(f"UPDATE tasks SET state = 4, counter = 1, expires_at = {far}")

    acquire(server, "dead.1", held, "nobody", HOUR)

    assert claimed(server) == {"job": (4, 1)}


def test_old_tasks_do_not_all_become_due_at_once(server: BenchServer) -> None:
    """After a long absence of the server, the next start spreads what has become due meanwhile."""
    create(server, "job")
    wait_until(lambda: attempts(server)["job"] > 0, what="an attempt")
    server.kill()
    server.sql.run("UPDATE tasks SET attempt = 4, expires_at = 1000")

    server.sql.index()

    assert -10 <= due(server) <= 600
