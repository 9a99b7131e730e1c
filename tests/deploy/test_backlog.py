"""Tasks that wait: how often the server tries them, and how a worker asks for them."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from deploy.store import indexes
from shared.resonate.tasks import Locks
from shared.resonate.transport import Transport
from shared.settings import ServerSettings
from tests.support.processes import call, wait_until
from tests.support.server import resonate_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.server import Server

HOUR = 3_600_000

FINISHED = """
INSERT INTO tasks(id, state, root_promise_id, recv, mesg, timeout, expires_at)
WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 5000)
SELECT 'done-' || n, 8, 'done-' || n, '', '', 9223372036854775807, 9223372036854775807
FROM numbers
"""
"""Very many tasks that have finished."""

DUE = """
SELECT *, min(sort_id) FROM tasks t1
WHERE state = 1 AND expires_at <= ? AND NOT EXISTS (
    SELECT 1 FROM tasks t2 WHERE t2.root_promise_id = t1.root_promise_id AND t2.state in (2, 4)
)
GROUP BY root_promise_id ORDER BY root_promise_id, sort_id ASC LIMIT ?
"""
COMPLETE = "UPDATE tasks SET state = 8 WHERE root_promise_id = ? AND state in (1, 2, 4)"
HEARTBEAT = "UPDATE tasks SET expires_at = MIN(? + ttl, 1) WHERE process_id = ? AND state = 4"


@pytest.fixture(name="server")
def _server(tmp_path: Path) -> Iterator[Server]:
    with resonate_server(tmp_path) as server:
        yield server


def create(server: Server, id: str, address: str = "poll://any@blue", **tags: str) -> None:
    """Create a promise whose task is sent to an address."""
    body = {"id": id, "timeout": 2**53, "tags": {"resonate:invoke": address, **tags}}
    url = f"http://127.0.0.1:{server.store_port}/promises"
    assert call(url, "POST", body).status == 201


def run(server: Server, statement: str, *values: object) -> list[Any]:
    """Run a statement in the server's store, and return its rows."""
    with closing(sqlite3.connect(server.database, timeout=30)) as store, store:
        return store.execute(statement, values).fetchall()


def attempts(server: Server) -> dict[str, int]:
    """Return how often the server has found no worker, by promise."""
    return dict(run(server, "SELECT root_promise_id, attempt FROM tasks"))


def set_aside(server: Server) -> None:
    """Let all tasks wait for an hour."""
    later = int(time.time() * 1000) + HOUR
    run(server, "UPDATE tasks SET expires_at = ?, attempt = 4 WHERE state = 1", later)


def ask(server: Server, group: str, number: int, lock: str = "offers.worker-1.1") -> None:
    """Acquire a lock as a worker does that wants offers."""
    settings = ServerSettings("http://127.0.0.1", server.store_port)
    with closing(Transport(settings, attempt=5, budget=5)) as transport:
        Locks(transport).acquire(lock, group, str(number), 1)


def test_a_task_without_a_worker_is_tried_less_and_less(server: Server) -> None:
    """The second pause is of 6 s or more, and so are the later ones."""
    create(server, "job")

    wait_until(lambda: attempts(server)["job"] == 2, what="the second attempt")

    [(due,)] = run(server, "SELECT expires_at FROM tasks")
    assert 5_000 < due - time.time() * 1000 < 12_000


def test_a_request_makes_the_oldest_of_a_group_due(server: Server) -> None:
    """The oldest are tried at once, by age and not by id; the others wait."""
    for id in ("c", "b", "a"):
        create(server, id)
    create(server, "other", "poll://any@green")
    wait_until(lambda: min(attempts(server).values()) > 0, what="an attempt of each")
    set_aside(server)

    ask(server, "blue", 2)

    wait_until(lambda: attempts(server)["b"] == 5, what="an attempt")
    assert attempts(server) == {"c": 5, "b": 5, "a": 4, "other": 4}


def test_resumptions_come_before_the_backlog(server: Server) -> None:
    """A task that names a worker, as those that resume an execution do, is tried besides."""
    create(server, "new")
    create(server, "newer")
    create(server, "goes-on", "poll://any@blue/worker-9")
    wait_until(lambda: min(attempts(server).values()) > 0, what="an attempt of each")
    set_aside(server)

    ask(server, "blue", 1)

    wait_until(lambda: attempts(server)["goes-on"] == 5, what="an attempt")
    assert attempts(server) == {"new": 5, "newer": 4, "goes-on": 5}


def test_an_execution_that_starts_later_is_not_made_due(server: Server) -> None:
    """A request leaves a delay alone, and other locks leave all tasks alone."""
    later = int(time.time() * 1000) + HOUR
    create(server, "later", **{"resonate:delay": str(later)})
    create(server, "job")
    wait_until(lambda: attempts(server)["job"] > 0, what="an attempt")
    set_aside(server)
    run(server, "UPDATE tasks SET attempt = 0 WHERE root_promise_id = 'later'")

    ask(server, "blue", 9, lock="idle.blue")
    assert attempts(server) == {"later": 0, "job": 4}
    ask(server, "blue", 9)

    wait_until(lambda: attempts(server)["job"] == 5, what="an attempt")
    assert attempts(server)["later"] == 0


def test_old_tasks_do_not_all_become_due_at_once(server: Server) -> None:
    """After a long absence of the server, the next start spreads what has become due meanwhile."""
    create(server, "job")
    wait_until(lambda: attempts(server)["job"] > 0, what="an attempt")
    server.kill()
    run(server, "UPDATE tasks SET attempt = 4, expires_at = 1000")

    indexes.apply(server.database)

    [(due,)] = run(server, "SELECT expires_at FROM tasks")
    now = time.time() * 1000
    assert now - 10_000 <= due <= now + 600_000


@pytest.mark.parametrize("analyzed", [False, True])
@pytest.mark.parametrize(
    ("statement", "index"),
    [
        (DUE, "durable_tasks_due"),
        (DUE, "durable_tasks_held"),
        (COMPLETE, "durable_tasks_open_root"),
        (HEARTBEAT, "durable_tasks_claimed|idx_tasks_process_id"),
    ],
)
def test_statements_on_tasks_use_an_index(
    server: Server, statement: str, index: str, *, analyzed: bool
) -> None:
    """None of the server's frequent statements reads finished tasks or those set aside."""
    create(server, "job")
    run(server, FINISHED)
    if analyzed:
        run(server, "ANALYZE")

    values = [0] * statement.count("?")
    plan = str(run(server, f"EXPLAIN QUERY PLAN {statement}", *values))

    assert any(name in plan for name in index.split("|")), plan
    assert "SCAN" not in plan
