"""The indexes of the server's store."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from deploy.store import indexes
from tests.support.processes import ROOT, call
from tests.support.server import resonate_server

if TYPE_CHECKING:
    from pathlib import Path

NAMES = {
    "durable_tasks_asked_for",
    "durable_tasks_claimed",
    "durable_tasks_due",
    "durable_tasks_held",
    "durable_tasks_not_asked_for",
    "durable_tasks_open_root",
    "durable_tasks_set_aside",
    "durable_tasks_set_aside_longer",
    "durable_tasks_timeout",
    "durable_promises_open",
    "durable_callbacks_promise",
    "durable_promises_id",
    "durable_tasks_done",
    "durable_tasks_left_behind",
    "durable_values_untagged",
}


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
PAUSED = "SELECT sort_id FROM tasks WHERE state = 1 AND attempt > 1 AND expires_at > ? LIMIT 2000"
"""Those that a worker of an earlier release ends, in our trigger."""

COMPLETE = "UPDATE tasks SET state = 8 WHERE root_promise_id = ? AND state in (1, 2, 4)"
HEARTBEAT = "UPDATE tasks SET expires_at = MIN(? + ttl, 1) WHERE process_id = ? AND state = 4"


def names(database: Path) -> set[str]:
    """Return the names of our indexes and triggers in the database."""
    with closing(sqlite3.connect(database)) as store:
        rows = store.execute(
            "SELECT name FROM sqlite_master WHERE name LIKE 'durable!_%' ESCAPE '!'"
        )
        return {name for (name,) in rows}


def test_indexes_are_added_once_and_while_the_server_runs(tmp_path: Path) -> None:
    """Applied repeatedly while the server writes, the indexes exist and no write fails."""
    with resonate_server(tmp_path) as server:
        url = f"http://127.0.0.1:{server.store_port}/promises"

        def create(n: int) -> int:
            return call(url, "POST", {"id": f"p{n}", "timeout": 2**53, "tags": {}}).status

        with ThreadPoolExecutor(8) as pool:
            writes = pool.map(create, range(300))
            for _ in range(5):
                indexes.apply(server.database)
            assert set(writes) == {201}
        assert names(server.database) == NAMES


def test_the_server_uses_them(tmp_path: Path) -> None:
    """A search for an execution's steps uses an index and does not read every promise."""
    with resonate_server(tmp_path) as server, closing(sqlite3.connect(server.database)) as store:
        plan = store.execute("EXPLAIN QUERY PLAN SELECT id FROM promises WHERE id LIKE 'job-1.%'")
        assert "durable_promises_id" in str(list(plan))


def test_a_store_that_no_server_made_is_refused(tmp_path: Path) -> None:
    """A missing file and an empty database are refused, and no file is created."""
    absent, empty = tmp_path / "absent.db", tmp_path / "empty.db"
    sqlite3.connect(empty).close()
    empty.touch()

    with pytest.raises(indexes.StoreError, match="no such file"):
        indexes.apply(absent)
    with pytest.raises(indexes.StoreError, match="it has no tables of a Resonate server"):
        indexes.apply(empty, schema_seconds=0)
    assert not absent.exists()


def test_the_command_reports_the_fault(tmp_path: Path) -> None:
    """The command exits with 1 and one line on standard error."""
    command = [sys.executable, "-m", "deploy.store.indexes", str(tmp_path / "absent.db")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"store-indexes: {command[-1]}: no such file; start the server first\n"


@pytest.mark.parametrize("analyzed", [False, True])
@pytest.mark.parametrize(
    ("statement", "index"),
    [
        (DUE, "durable_tasks_due"),
        (DUE, "durable_tasks_held"),
        (PAUSED, "durable_tasks_due"),
        (COMPLETE, "durable_tasks_open_root"),
        (HEARTBEAT, "durable_tasks_claimed|idx_tasks_process_id"),
    ],
)
def test_statements_on_tasks_use_an_index(
    tmp_path: Path, statement: str, index: str, *, analyzed: bool
) -> None:
    """None of the server's frequent statements reads finished tasks or those set aside."""
    values = [0] * statement.count("?")
    with resonate_server(tmp_path) as server, closing(sqlite3.connect(server.database)) as store:
        store.execute(FINISHED)
        if analyzed:
            store.execute("ANALYZE")
        plan = str(store.execute(f"EXPLAIN QUERY PLAN {statement}", values).fetchall())

    assert any(name in plan for name in index.split("|")), plan
    assert "SCAN" not in plan
