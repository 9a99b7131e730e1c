"""Gives the server's SQLite store our indexes: `python -m deploy.store.indexes DATABASE`.

Uses nothing but the standard library, so that Python 3.9 or newer can run it as a plain file too.
It may run again, and while the server runs: each statement is a transaction of its own, which the
server waits for.
"""

from __future__ import annotations

import sqlite3
import sys
import time
from contextlib import closing
from pathlib import Path

STATEMENTS = Path(__file__).with_name("sqlite.sql")
LOCK_SECONDS = 60.0
SCHEMA_SECONDS = 30.0


class StoreError(Exception):
    """The database is not one that a server has prepared, or cannot be written."""


def apply(database: Path, *, schema_seconds: float = SCHEMA_SECONDS) -> None:
    """Add what is missing; wait so long for the server to have made its tables.

    Raises `StoreError`.
    """
    if not database.is_file():
        raise StoreError(f"{database}: there is no such file; start the server first")
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
            raise StoreError(f"{database}: the tables of a Resonate server are not in it")
        time.sleep(0.05)


def main(arguments: list[str]) -> int:
    """Return 0 when the store has its indexes, 1 when it cannot have them, 2 for a bad call."""
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
