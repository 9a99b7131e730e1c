"""Adds our indexes to the server's SQLite store: `python -m deploy.store.indexes DATABASE`.

It needs the standard library only, so that Python 3.9 or newer can run it as a plain file too.
It may run repeatedly, and while the server runs: each statement is a transaction of its own, for
which the server waits.
"""

from __future__ import annotations

import sqlite3
import sys
import time
from contextlib import closing
from pathlib import Path

STATEMENTS = Path(__file__).with_name("sqlite.sql")
LOCK_SECONDS = 60.0
"""Seconds to wait for a transaction of the server."""

SCHEMA_SECONDS = 30.0
"""Seconds to wait until the server has created its tables."""


class StoreError(Exception):
    """The file is no database of a server, or cannot be written."""


def apply(database: Path, *, schema_seconds: float = SCHEMA_SECONDS) -> None:
    """Add the missing indexes, once the server has created its tables. Raises `StoreError`."""
    if not database.is_file():
        raise StoreError(f"{database}: no such file; start the server first")
    try:
        # Without an isolation level each statement is committed at once.
        connection = sqlite3.connect(database, timeout=LOCK_SECONDS, isolation_level=None)
        with closing(connection) as store:
            _await_schema(store, database, time.monotonic() + schema_seconds)
            store.executescript(STATEMENTS.read_text())
    except sqlite3.Error as error:
        raise StoreError(f"{database}: {error}") from error


def _await_schema(store: sqlite3.Connection, database: Path, deadline: float) -> None:
    needed = {"promises", "tasks", "callbacks"}
    query = "SELECT name FROM sqlite_master WHERE type = 'table'"
    while not needed <= {name for (name,) in store.execute(query)}:
        if time.monotonic() > deadline:
            raise StoreError(f"{database}: it has no tables of a Resonate server")
        time.sleep(0.05)


def main(arguments: list[str]) -> int:
    """Return 0 if the store has its indexes, 1 if they cannot be added, 2 for wrong arguments."""
    if len(arguments) != 1:
        print("usage: python -m deploy.store.indexes DATABASE", file=sys.stderr)
        return 2
    try:
        apply(Path(arguments[0]))
    except StoreError as error:
        print(f"store-indexes: {error}", file=sys.stderr)
        return 1
    print(f"store-indexes: {arguments[0]} is indexed")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
