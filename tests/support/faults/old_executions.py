"""Executions of an earlier time in the server's store, so that reads have something to look at."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tests.support.stack import Stack

FIRST: Final = "old-execution"
COPY: Final = """
WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < :count)
INSERT INTO promises (
    id, state, param_headers, param_data, value_headers, value_data, timeout,
    idempotency_key_for_create, idempotency_key_for_complete, tags, created_on, completed_on
)
SELECT
    id || '-' || n, state, param_headers, param_data, value_headers, value_data, timeout,
    idempotency_key_for_create, idempotency_key_for_complete,
    CAST(replace(CAST(tags AS TEXT), id, id || '-' || n) AS BLOB), created_on, completed_on
FROM promises, numbers
WHERE id = :first
"""


def add_old_executions(stack: Stack, count: int) -> None:
    """Run one execution, and copy its row this many times; needs a worker, and no other writes."""
    stack.begin(FIRST)
    stack.outcome(FIRST)
    with closing(sqlite3.connect(stack.server.database, timeout=30)) as store, store:
        store.execute(COPY, {"count": count, "first": FIRST})
