"""Copies the server's SQLite store: `take DATABASE > FILE`, `put DATABASE < FILE`.

`take` may run while the server does. `put` needs a server that is stopped, and takes the place of
the store that is there. Both need the standard library only, so that Python 3.9 or newer can run
this file by its path.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from typing import BinaryIO

LOCK_SECONDS = 60.0
"""Seconds to wait for a transaction of the server."""


class BackupError(Exception):
    """The store or the backup cannot be read, or a server uses the store."""


def take(database: Path, backup: BinaryIO) -> None:
    """Write the store as it is at one moment. Raises `BackupError`."""
    if not database.is_file():
        raise BackupError(f"{database}: no such file")
    # Beside the store, since only its volume surely has room.
    with tempfile.TemporaryDirectory(prefix="backup-", dir=database.parent) as folder:
        copy = Path(folder, "copy.db")
        with (
            closing(sqlite3.connect(database, timeout=LOCK_SECONDS)) as store,
            closing(sqlite3.connect(copy)) as target,
        ):
            # All pages in one read transaction: writes of the server go on beside it.
            store.backup(target)
            _make_single(target)
        with copy.open("rb") as file:
            shutil.copyfileobj(file, backup)
        backup.flush()


def put(database: Path, backup: BinaryIO) -> None:
    """Let a backup be the store. Raises `BackupError`, and then the former store is unchanged."""
    with tempfile.TemporaryDirectory(prefix="restore-", dir=database.parent) as folder:
        copy = Path(folder, "copy.db")
        with copy.open("wb") as file:
            shutil.copyfileobj(backup, file)
            file.flush()
            os.fsync(file.fileno())
        with closing(sqlite3.connect(copy)) as store:
            if store.execute("PRAGMA integrity_check").fetchall() != [("ok",)]:
                raise BackupError("the backup is damaged")
            if not store.execute("SELECT 1 FROM sqlite_master WHERE name = 'promises'").fetchall():
                raise BackupError("the backup is no store of a Resonate server")
        if database.exists():
            with closing(sqlite3.connect(database, timeout=1)) as former:
                # Fails while a server has the store open. Its write-ahead log goes into the file,
                # so that it is not taken for that of the backup.
                _make_single(former)
        copy.replace(database)


def _make_single(store: sqlite3.Connection) -> None:
    """Let the database be one file, without a write-ahead log; the server makes a new one."""
    store.execute("PRAGMA journal_mode = DELETE").fetchall()


def main(arguments: list[str]) -> int:
    """Return 0 if all of the store was copied, 1 if not, 2 for wrong arguments."""
    if len(arguments) != 2 or arguments[0] not in ("take", "put"):
        print("usage: backup.py take DATABASE > FILE | put DATABASE < FILE", file=sys.stderr)
        return 2
    command, database = arguments[0], Path(arguments[1])
    try:
        if command == "take":
            take(database, sys.stdout.buffer)
        else:
            put(database, sys.stdin.buffer)
    except (BackupError, OSError, sqlite3.Error) as error:
        print(f"backup: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
