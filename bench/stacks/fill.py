"""Puts very many executions into a server's tables, shaped as real ones, by copying one of them."""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from bench.stacks.stores import Store

BATCH: Final = 20_000
"""Executions in one transaction, so that the server is never locked out for long."""

COPIED: Final = {
    "promises": "id = '{id}' OR id LIKE '{id}.%'",
    "tasks": "root_promise_id = '{id}'",
}
"""The rows of an execution in each table."""

SPREAD: Final = {"expires_at": 1000}
"""Milliseconds over which a column's values are spread: real tasks were not begun all at once."""

FINISHED: Final = 2**62
"""Times above are those of tasks that have ended, for which they mean nothing."""


def copy_execution(store: Store, id: str, numbers: range) -> None:
    """Add an execution like a stored one for each number, with the ids `<id>-<number>`.

    The id must be a word that occurs nowhere else. The server may run.
    """
    for batch in itertools.batched(numbers, BATCH, strict=False):
        store.run(";".join(_insert(store, table, id, batch[0], batch[-1]) for table in COPIED))


def _insert(store: Store, table: str, id: str, first: int, last: int) -> str:
    columns = _columns(store, table)
    names = ", ".join(columns)
    values = ", ".join(_value(store.dialect, id, *column) for column in columns.items())
    condition = COPIED[table].format(id=id)
    return (
        f"INSERT INTO {table}({names})"
        f" WITH RECURSIVE numbers(n) AS"
        f" (SELECT {first} UNION ALL SELECT n + 1 FROM numbers WHERE n < {last})"
        f" SELECT {values} FROM numbers CROSS JOIN {table}"
        f" WHERE {condition} ORDER BY n, sort_id"
    )


def _columns(store: Store, table: str) -> dict[str, str]:
    """Return the names and types of a table's columns, without the one that counts by itself."""
    if store.dialect == "sqlite":
        rows = store.rows(f"SELECT name, type FROM pragma_table_info('{table}')")
    else:
        rows = store.rows(
            "SELECT column_name, udt_name FROM information_schema.columns"
            f" WHERE table_name = '{table}' ORDER BY ordinal_position"
        )
    return {name: kind for name, kind in rows if name != "sort_id"}


def _value(dialect: str, id: str, name: str, kind: str) -> str:
    """Return the expression of a copy's value in the column `name`."""
    if name in SPREAD:
        return f"CASE WHEN {name} < {FINISHED} THEN {name} + n % {SPREAD[name]} ELSE {name} END"
    if re.match("int", kind, re.IGNORECASE):
        return name
    new = f"'{id}-' || n"
    match dialect, kind.lower():
        case "sqlite", "blob":
            return f"CAST(replace(CAST({name} AS TEXT), '{id}', {new}) AS BLOB)"
        case "postgres", "jsonb" | "json":
            return f"replace({name}::text, '{id}', {new})::{kind}"
        case "postgres", "bytea":
            text = f"replace(convert_from({name}, 'UTF8'), '{id}', {new})"
            return f"convert_to({text}, 'UTF8')"
        case _:
            return f"replace({name}, '{id}', {new})"
