"""A store with very many executions, which SQL copies from one that has ended."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

LOCK_SECONDS = 60.0

COPY = """
WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < :count)
INSERT INTO promises(id, {columns})
SELECT :prefix || n, {columns} FROM numbers, promises WHERE promises.id = :copied
"""


def copy_execution(database: Path, copied: str, prefix: str, count: int) -> None:
    """Add `count` executions like a stored one, with the ids `<prefix>1`, `<prefix>2` and so on.

    They have no steps and no tasks. The server may run.
    """
    with closing(sqlite3.connect(database, timeout=LOCK_SECONDS)) as store, store:
        names = [name for _, name, *_ in store.execute("PRAGMA table_info(promises)")]
        columns = ", ".join(name for name in names if name not in {"id", "sort_id"})
        values = {"copied": copied, "prefix": prefix, "count": count}
        store.execute(COPY.format(columns=columns), values)
