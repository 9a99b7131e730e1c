"""Executions that wait: what they cost, and how soon they start when a worker comes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from bench.loads.loops import closed_loop
from bench.parts.part import Part, begin_request, closed, drained, forget, newest, repeated
from bench.parts.waits import send
from bench.stacks.fill import copy_execution
from bench.stacks.subjects import SUBJECTS, started
from tests.support.processes import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.parts.part import Case, Options, Values
    from bench.stacks.service import Service

LEVELS: Final = (10_000,)
LONG_LEVELS: Final = (1_000, 10_000, 100_000)
SLOTS: Final = 16
"""Slots of one worker."""

WAITING: Final = "bench-waiting"
CLAIMED: Final = "SELECT count(*) FROM tasks WHERE state = 4"
HOLD: Final = 300
"""Seconds for which an execution holds its slot."""

OFFERED: Final = 1_000
COMEBACK_SECONDS: Final = 600.0


def backlog(service: Service, options: Options) -> Iterator[Case]:
    """Measure an idle server and begins while executions wait for a worker that is not there."""
    with started(SUBJECTS[service.name]) as empty:
        send(service, begin_request(WAITING, "pause", HOLD))
        stored = 0
        for level in LONG_LEVELS if options.long else LEVELS:
            copy_execution(service.server.sql, WAITING, range(stored, level))
            stored = level
            yield f"idle, {level}", idle(service, 30 if options.long else 5)
            for _ in range(options.repeats):
                with service.frozen():  # it would slow the other one down
                    alone = closed(empty, repeated(begin_request()), options.seconds)
                    forget(empty)
                yield f"begin, {level}: 0", alone
                beside = closed(service, repeated(begin_request()), options.seconds)
                yield f"begin, {level}: {level}", beside
        yield f"a worker comes, {stored}", comes(service)
        yield f"busy, {stored}", idle(service, 30 if options.long else 5)


def idle(service: Service, seconds: float) -> Values:
    """Return the cores that an idle service takes, after it has had as long to settle."""
    time.sleep(seconds)
    before = service.used()
    time.sleep(seconds)
    used = service.since(before, 1)
    return {
        "server_core": used["cpu_server_us"] / 1e6 / seconds,
        "workers_core": used["cpu_workers_us"] / 1e6 / seconds,
        **service.memory(),
    }


def comes(service: Service) -> Values:
    """Start a worker; return the seconds until it has a claim, and until all its slots have one.

    They count from its log line that it is ready, half a second after its process.
    """
    service.scale(1)
    began = time.monotonic()
    return {"first_s": claims(service, 1) - began, "all_slots_s": claims(service, SLOTS) - began}


def claims(service: Service, count: int) -> float:
    """Wait until workers hold so many tasks, and return the time."""
    wait_until(lambda: claimed(service) >= count, seconds=120, what="claims")
    return time.monotonic()


def claimed(service: Service) -> int:
    """Return how many tasks workers hold."""
    return int(service.server.sql.rows(CLAIMED)[0][0])


def comeback(service: Service, options: Options) -> Iterator[Case]:  # noqa: ARG001 - a part's signature
    """Let ten executions wait for ten minutes before a worker comes."""
    for _ in range(10):
        send(service, begin_request(None, "pause", 0.5))
    time.sleep(COMEBACK_SECONDS)
    service.scale(1)
    began = time.monotonic()
    yield "10 executions", {"first_s": claims(service, 1) - began}


def killed(service: Service, options: Options) -> Iterator[Case]:  # noqa: ARG001 - a part's signature
    """Kill the only worker while all its slots are held; take the time until what waits has ended.

    Its inbox has offers then, and the store has set the others aside.
    """
    for _ in range(SLOTS):
        send(service, begin_request(None, "pause", HOLD))
    wait_until(lambda: claimed(service) == SLOTS, what="busy slots")
    mark = newest(service)
    closed_loop(service.addresses, repeated(begin_request()), clients=16, count=OFFERED)
    time.sleep(3)  # every task has been offered or set aside
    began = time.monotonic()
    service.scale(0)
    service.scale(3)
    drained(service, mark, OFFERED)
    yield f"{OFFERED} offers", {"seconds": time.monotonic() - began}


PARTS: Final = (
    Part("backlog", backlog, ("ours",), once=True, apart=True),
    Part("killed", killed, ("ours",), workers=1, once=True, apart=True, long=True),
    Part("comeback", comeback, ("ours",), once=True, apart=True, long=True),
)
