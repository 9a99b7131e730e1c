"""Log lines on a process's standard output."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest

from tests.support.processes import ROOT

BEGIN = """
import logging
import structlog
from shared.log import configure_logging, get_logger
from shared.settings import LogSettings
configure_logging(LogSettings({level!r}, {format!r}), "worker-1")
"""


def output(code: str, *, level: str = "info", format: str = "json") -> list[str]:
    """Run code in a process with logging set up; return its lines."""
    program = BEGIN.format(level=level, format=format) + code
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        cwd=ROOT,
        capture_output=True,
        timeout=30,
        check=True,
    )
    assert done.stderr == b""
    return done.stdout.decode().splitlines()


def events(code: str, *, level: str = "info") -> list[dict[str, Any]]:
    """Return the events of a process that logs JSON, after a check of their times."""
    found = [orjson.loads(line) for line in output(code, level=level)]
    for event in found:
        age = datetime.now(UTC) - datetime.fromisoformat(event.pop("timestamp"))
        assert timedelta(0) <= age < timedelta(minutes=1)
    return found


def test_an_event_is_one_line_of_json() -> None:
    """An event has its name, level, process, bound values and its own values."""
    assert events('get_logger(execution="job-1").info("started", attempt=2, text="é\\n")') == [
        {
            "event": "started",
            "level": "info",
            "process": "worker-1",
            "execution": "job-1",
            "attempt": 2,
            "text": "é\n",
        }
    ]


def test_a_workers_lines_name_it() -> None:
    """A worker is named by the same field as on other processes' lines, unless a line has one."""
    found = events(
        'configure_logging(LogSettings(), "worker-1", worker="worker-1")\n'
        'get_logger().info("mine")\nget_logger().info("of another", worker="worker-2")'
    )

    assert [(event["process"], event["worker"]) for event in found] == [
        ("worker-1", "worker-1"),
        ("worker-1", "worker-2"),
    ]


def test_libraries_log_the_same_way() -> None:
    """A record of the standard library's logging looks like one of our own."""
    assert events('logging.getLogger("aiohttp.web").warning("odd %s", "thing")') == [
        {"event": "odd thing", "level": "warning", "process": "worker-1"}
    ]


def test_values_bound_to_the_context_are_logged() -> None:
    """A value bound for one request is in each of its events, ours or a library's."""
    found = events(
        'structlog.contextvars.bind_contextvars(request="r1")\n'
        'get_logger().info("ours")\n'
        'logging.getLogger("x").error("theirs")'
    )

    assert [(event["event"], event["request"]) for event in found] == [
        ("ours", "r1"),
        ("theirs", "r1"),
    ]


@pytest.mark.parametrize(
    ("level", "shown"),
    [
        ("debug", ["d", "i", "w", "e", "lib w", "lib e"]),
        ("info", ["i", "w", "e", "lib w", "lib e"]),
        ("warning", ["w", "e", "lib w", "lib e"]),
        ("error", ["e", "lib e"]),
    ],
)
def test_the_level_is_a_threshold(level: str, shown: list[str]) -> None:
    """Events below the level are not logged; those of libraries only from warnings up."""
    found = events(
        'log, lib = get_logger(), logging.getLogger("lib")\n'
        'log.debug("d"); log.info("i"); log.warning("w"); log.error("e")\n'
        'lib.debug("lib d"); lib.info("lib i"); lib.warning("lib w"); lib.error("lib e")',
        level=level,
    )

    assert [event["event"] for event in found] == shown


@pytest.mark.parametrize(
    "log", ["get_logger().exception('broken')", "logging.getLogger('x').exception('broken')"]
)
def test_an_exception_stays_on_its_line(log: str) -> None:
    """A traceback is a value of the event, without line ends of its own."""
    (event,) = events(f"try:\n    1 / 0\nexcept ZeroDivisionError:\n    {log}")
    trace = event.pop("exception")

    assert event == {"event": "broken", "level": "error", "process": "worker-1"}
    assert trace.startswith("Traceback (most recent call last):")
    assert trace.endswith("ZeroDivisionError: division by zero")


def test_a_long_traceback_is_cut_in_its_middle() -> None:
    """An error with a message of 10 MB makes a line of a few KiB, with its place and its end."""
    (line,) = output(
        "try:\n    raise ValueError('x' * 10_000_000 + 'end')\n"
        "except ValueError:\n    get_logger().exception('broken')"
    )
    trace = orjson.loads(line)["exception"]

    assert len(line) < 40_000
    assert trace.startswith("Traceback (most recent call last):")
    assert trace.endswith("xend")
    assert "characters" in trace


def test_a_value_of_any_class_is_logged() -> None:
    """A value that JSON has no type for is logged as text."""
    (event,) = events('get_logger().info("odd", value=object, ids={"a"})')

    assert (event["value"], event["ids"]) == ("<class 'object'>", "{'a'}")


@pytest.mark.parametrize("value", ["'bad \\udce9 name'", "2**64", "{1: 2}"])
def test_a_value_that_json_cannot_hold_is_logged(value: str) -> None:
    """Text that is not Unicode, large numbers and keys of other types are logged as text."""
    (event,) = events(f"get_logger().info('odd', value={value})")

    assert event["value"]
    assert output(f"get_logger().info('odd', value={value})", format="console")


def test_the_console_gets_columns() -> None:
    """On the console an event is one readable line, without colours if it is no terminal."""
    (line,) = output('get_logger().info("started", execution="job-1")', format="console")

    assert "started" in line
    assert "execution=job-1" in line
    assert "\x1b" not in line
    assert not line.startswith("{")


def test_events_can_be_logged_at_once() -> None:
    """Events that are logged together are lines like others, in order, those of the level."""
    code = """
from shared.log import log_events
at = "2026-01-02T03:04:05.000006Z"
log_events("info", [{"event": "request", "timestamp": at, "number": n} for n in range(3)])
log_events("debug", [{"event": "quiet", "timestamp": at}])
"""
    lines = [orjson.loads(line) for line in output(code)]

    assert [line.pop("number") for line in lines] == [0, 1, 2]
    assert (
        lines
        == [
            {
                "event": "request",
                "timestamp": "2026-01-02T03:04:05.000006Z",
                "level": "info",
                "process": "worker-1",
            }
        ]
        * 3
    )


def test_events_that_are_logged_at_once_can_be_read_by_people() -> None:
    """Without JSON they have the form of all other lines."""
    code = """
from shared.log import log_events
log_events("info", [{"event": "request", "timestamp": "2026-01-02T03:04:05Z", "number": 1}])
"""
    (line,) = output(code, format="console")

    assert "request" in line
    assert "2026-01-02T03:04:05Z" in line
