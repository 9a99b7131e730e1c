"""The tables of log lines in docs/observability.md, against what the code can log."""

from __future__ import annotations

import ast
import functools
import re
from typing import TYPE_CHECKING, Final

from tests.support.processes import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

LOGGING: Final = frozenset({"debug", "info", "warning", "error", "exception", "critical"})
LOGGER: Final = re.compile(
    rf"get_logger|((\w+\.)?_?log|get_logger\(.*\))\.(bind|{'|'.join(LOGGING)})", re.DOTALL
)
GRAVE: Final = LOGGING - {"debug", "info"}
WITH_DICTS: Final = frozenset(
    {"_event", "_identify", "_log_fields", "_record_recovery", "changes", "log_fields"}
) | {"record_blocked"}
"""Functions that make the fields of a line as a dictionary."""

NOT_FIELDS: Final = frozenset({"exc_info"})
BY_EVERY_LINE: Final = frozenset({"event", "timestamp", "level", "process", "exception"})
"""Fields of the log itself, which no call names."""


def rows(heading: str) -> list[str]:
    """Return the first cells of the table below a line that begins so."""
    text = (ROOT / "docs" / "observability.md").read_text()
    below = text.partition(f"\n{heading}")[2]
    table = re.search(r"(^\|.*\n)+", below, re.MULTILINE)
    assert table is not None
    return [line.split(" | ")[0].removeprefix("| ") for line in table[0].splitlines()[2:]]


@functools.cache
def nodes() -> list[ast.AST]:
    """Return the nodes of all code that logs, but for the examples that ship."""
    packages = (ROOT / "gateway", ROOT / "worker", ROOT / "shared")
    paths = [path for package in packages for path in package.rglob("*.py")]
    texts = [path.read_text() for path in paths if "functions" not in path.parts]
    return [node for text in texts if "log" in text for node in ast.walk(ast.parse(text))]


def calls() -> Iterator[ast.Call]:
    """Yield the calls of loggers: `self._log.info(…)`, `get_logger().info(…)`, `log.bind(…)`."""
    for node in nodes():
        if isinstance(node, ast.Call) and LOGGER.fullmatch(ast.unparse(node.func)):
            yield node


def in_dicts() -> Iterator[object]:
    """Yield the names of fields that are not given to a logger one by one."""
    for function in nodes():
        if isinstance(function, ast.FunctionDef) and function.name in WITH_DICTS:
            for node in ast.walk(function):
                keys: list[ast.expr | None] = []
                if isinstance(node, ast.Dict):
                    keys = node.keys
                elif isinstance(node, ast.Subscript):
                    keys = [node.slice]
                yield from (key.value for key in keys if isinstance(key, ast.Constant))


def fields_of_the_table() -> list[str]:
    """Return the names of the fields of log lines."""
    return re.findall(r"`(\w+)`", " ".join(rows("## Logs")))


def test_the_table_has_no_field_twice() -> None:
    """A field is told of once."""
    fields = fields_of_the_table()

    assert sorted(fields) == sorted(set(fields))


def test_every_field_of_the_table_is_logged() -> None:
    """A field stands in the table as long as some code gives it to a line, and not longer."""
    fields = set(fields_of_the_table())
    given = {word.arg for call in calls() for word in call.keywords} | set(in_dicts())

    assert sorted(fields - given - BY_EVERY_LINE) == []


def test_every_field_that_is_logged_is_in_the_table() -> None:
    """Also those of lines that are rare."""
    fields = set(fields_of_the_table())
    given = {word.arg for call in calls() for word in call.keywords if word.arg is not None}

    assert sorted(given - fields - NOT_FIELDS) == []


def test_the_table_says_what_to_do_about_every_grave_line() -> None:
    """Each event of level warning and above is in the table once, and nothing else is."""
    found = {
        event.value
        for call in calls()
        if isinstance(call.func, ast.Attribute) and call.func.attr in GRAVE
        for event in call.args[:1]
        if isinstance(event, ast.Constant) and isinstance(event.value, str)
    }
    listed = [
        event for cell in rows("Lines of level `warning`") for event in re.findall("`(.*?)`", cell)
    ]

    assert sorted(listed) == sorted(found)
