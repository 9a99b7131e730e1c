"""Meters, and what counts calls to the server."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest

from shared.metrics import Meter, StoreCalls, accepts_open_metrics, exposition, verb_of
from tests.support.metrics import Scraped

if TYPE_CHECKING:
    from collections.abc import Callable

    from structlog.typing import EventDict

COUNTED = "durable_http_store_calls_total"


def read(meter: Meter, accept: str = "") -> Scraped:
    """Return what a meter exposes, by way of its text."""
    content_type, text = exposition(meter.collect(), accepts_open_metrics(accept))
    return Scraped.read(text.decode(), content_type)


@pytest.mark.parametrize(
    ("method", "path", "verb"),
    [
        ("POST", "/promises", "create"),
        ("GET", "/promises/job-1", "read"),
        ("PATCH", "/promises/job-1.3", "settle"),
        ("GET", "/promises?id=job-1.%2A&limit=100", "search"),
        ("POST", "/promises/callback/job-1", "callback"),
        ("POST", "/promises/subscribe/job-1", "subscribe"),
        ("GET", "/promises/callback", "read"),
        ("POST", "/tasks/claim", "claim"),
        ("POST", "/tasks/heartbeat", "heartbeat"),
        ("POST", "/locks/acquire", "lock"),
        ("GET", "/ping", "ping"),
        ("DELETE", "/promises/job-1", "other"),
        ("GET", "", "other"),
        ("GET", "/" + "x" * 1_000_000, "other"),
    ],
)
def test_a_call_has_a_verb(method: str, path: str, verb: str) -> None:
    """What a call is for is known by its method and path, and no id becomes a label."""
    assert verb_of(method, path) == verb


def test_what_the_server_answers_makes_few_series() -> None:
    """Whatever statuses and paths there are, the labels have few values."""
    meter = Meter()
    calls = StoreCalls(meter)
    for status in range(-1, 1000):
        calls.called("GET", f"/{status}/{status}", status, 0.001)
    calls.called("GET", "/ping", 0, 2.0)

    found = read(meter)
    assert found.labels(COUNTED, "verb") == {"other", "ping"}
    assert len(found.labels(COUNTED, "status")) < 20
    assert found.value(COUNTED) == 1002
    assert found.value(COUNTED, verb="ping", status="unanswered") == 1


@pytest.mark.parametrize("accept", ["", "application/openmetrics-text; version=1.0.0"])
def test_both_texts_can_be_parsed(accept: str) -> None:
    """Numbers of all kinds, and help with line ends, come through in both forms."""
    meter = Meter()
    meter.count("a_total", 'says "this"\nand \\ that').inc(2)
    meter.distribution("b_seconds", "durations", (0.1, 1.0)).observe(0.5)
    meter.read_gauge("c", "not a number", lambda: math.nan)
    meter.read_gauges("d", "two", "kind", lambda: {'x"\n\\': math.inf, "y": -1.0})
    found = read(meter, accept)

    assert found.value("a_total") == 2
    assert (found.value("b_seconds_bucket", le="1.0"), found.value("b_seconds_count")) == (1, 1)
    assert math.isnan(found.value("c"))
    assert {labels["kind"]: value for labels, value in found.samples("d")} == {
        'x"\n\\': math.inf,
        "y": -1.0,
    }
    assert not [name for name in found.families if name.endswith("_created")]


def test_one_that_cannot_be_read_takes_no_other_along(log: list[EventDict]) -> None:
    """A number whose reading fails is missing, and the others are there."""
    broken: Callable[[], float] = lambda: 1 / 0  # noqa: E731 - as short as what is passed elsewhere
    meter = Meter()
    meter.read_gauge("before", "", lambda: 1)
    meter.read_gauge("broken", "", broken)
    meter.read_count("after_total", "", lambda: 2)
    found = read(meter)

    assert (found.value("before"), found.value("after_total")) == (1, 2)
    assert "broken" not in found.families
    assert [line["event"] for line in log] == ["metric not read"]


def test_off_nothing_is_counted() -> None:
    """A meter that is off takes every count, and exposes what the machine knows."""
    meter = Meter(on=False)
    meter.add_process()
    StoreCalls(meter).called("GET", "/ping", 200, 1.0)
    meter.count("a_total", "").inc()
    meter.distribution("b", "", (1.0,)).observe(1)
    meter.read_gauge("c", "", lambda: 1)
    meter.read_count("d_total", "", lambda: 1)
    meter.read_gauges("e", "", "kind", lambda: {"x": 1})
    found = read(meter)

    assert {name for name in found.families if not name.startswith("process_")} == {"python_info"}
    assert found.value("process_resident_memory_bytes") > 1_000_000


def test_two_meters_know_nothing_of_each_other() -> None:
    """Two gateways in one process count for themselves."""
    first, second = Meter(), Meter()
    StoreCalls(first).called("GET", "/ping", 200, 1.0)
    StoreCalls(second)

    assert (read(first).value(COUNTED), read(second).value(COUNTED)) == (1, 0)
