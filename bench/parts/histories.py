"""Executions with a long history: many turns of a loop, many steps, children of children."""

from __future__ import annotations

import itertools
import statistics
import threading
import time
from typing import TYPE_CHECKING, Final

from bench.loads.loops import open_loop
from bench.parts.part import Part, begin_request, repeated
from bench.parts.waits import send

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.loads.outcome import Outcome
    from bench.parts.part import Case, Options, Values
    from bench.stacks.service import Service

LIMIT_SECONDS: Final = 600.0
SIZES: Final = {"turns": (100, 1_000), "steps": (500, 5_000), "nested": (30, 150)}
"""The size of each in the short run and in the long one."""

NEIGHBOURS: Final = 20
"""Executions a second that clients begin, and whose end they wait for, beside a long one."""

EDGE: Final = 0.1
"""Share of the turns that counts as the first and as the last ones."""


def turns(service: Service, options: Options) -> Iterator[Case]:
    """Run a loop of step and sleep, and compare its last turns with its first."""
    size = SIZES["turns"][options.long]
    id, seconds = timed(service, "turns", size)
    rows = service.server.sql.rows(
        f"SELECT created_on FROM promises WHERE id LIKE '{id}.%'"
        " AND CAST(tags AS TEXT) LIKE '%\"add\"%' ORDER BY sort_id"
    )
    starts = [int(at) for (at,) in rows]
    each = [later - sooner for sooner, later in itertools.pairwise(starts)]
    edge = max(int(len(each) * EDGE), 1)
    first, last = statistics.median(each[:edge]), statistics.median(each[-edge:])
    yield (
        str(size),
        {"seconds": seconds, "first_ms": first, "last_ms": last, "ratio": last / max(first, 1)},
    )


def steps(service: Service, options: Options) -> Iterator[Case]:
    """Run many steps in one body, and take the times of executions beside it."""
    size = SIZES["steps"][options.long]
    alone = neighbours(service, options.seconds * 2)
    found: list[Values] = []
    over = threading.Event()

    def run() -> None:
        try:
            found.append({"seconds": timed(service, "steps", size)[1]})
        finally:
            over.set()

    thread = threading.Thread(target=run, daemon=True)  # Ctrl-C ends it with the process
    thread.start()
    beside: list[Values] = []
    while not over.is_set():
        beside.append(neighbours(service, options.seconds).values())
    thread.join()
    if not found:
        raise RuntimeError("the execution of many steps was not measured")
    worst = max((values.get("p99_ms", 0.0) for values in beside), default=0.0)
    yield (
        str(size),
        {
            **found[0],
            "neighbours_alone_p99_ms": alone.values()["p99_ms"],
            "neighbours_p99_ms": statistics.median(values["p99_ms"] for values in beside),
            "neighbours_worst_p99_ms": worst,
        },
    )


def neighbours(service: Service, seconds: float) -> Outcome:
    """Begin executions at a fixed rate, and wait for the end of each."""
    one = begin_request(None, "foo", headers={"Prefer": "wait=20"})
    return open_loop(service.addresses, repeated(one), rate=NEIGHBOURS, seconds=seconds)


def nested(service: Service, options: Options) -> Iterator[Case]:
    """Begin a child that begins a child, and so on."""
    size = SIZES["nested"][options.long]
    yield str(size), {"seconds": timed(service, "nested", size)[1]}


def timed(service: Service, function: str, size: int) -> tuple[str, float]:
    """Run one execution; return its id, and the seconds by the server's clock."""
    id = service.new_id(function)
    send(service, begin_request(id, function, size))
    until = time.monotonic() + LIMIT_SECONDS
    query = f"SELECT state, created_on, completed_on FROM promises WHERE id = '{id}'"
    while True:
        ((state, begin, end),) = service.server.sql.rows(query)
        if state == "2":
            return id, (int(end) - int(begin)) / 1000
        if state != "1" or time.monotonic() > until:
            raise RuntimeError(f"{function} {size} is in state {state} after {LIMIT_SECONDS:g} s")
        time.sleep(0.1)


PARTS: Final = (
    Part("turns", turns, ("ours",), workers=3, once=True),
    Part("many-steps", steps, ("ours",), workers=3, once=True),
    Part("nested", nested, ("ours",), workers=3, once=True),
)
