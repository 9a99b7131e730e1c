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
    "durable_tasks_open_root",
    "durable_tasks_set_aside",
    "durable_tasks_set_aside_longer",
    "durable_tasks_timeout",
    "durable_promises_open",
    "durable_callbacks_promise",
    "durable_promises_id",
    "durable_tasks_done",
    "durable_values_untagged",
}


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
