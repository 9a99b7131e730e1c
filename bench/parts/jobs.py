"""Executions from begin to end: how many a second, and how soon one that meets no other."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING, Final

from bench.loads.loops import closed_loop
from bench.parts.part import (
    CLIENTS,
    POSTGRES,
    STACKS,
    Part,
    begin_request,
    ended,
    newest,
    repeated,
    throughput,
)
from bench.parts.waits import send

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.parts.part import Case, Options, Values
    from bench.stacks.service import Service

COUNTS: Final = {"foo": 150, "steps-1": 100, "steps-3": 50, "steps-9": 20}
"""Executions for each second of `--seconds`, of the stock stacks; of ours, four times as many."""

SHORT: Final = ("foo", "steps-3")
IDLE_TRIES: Final = 4


def jobs(service: Service, options: Options) -> Iterator[Case]:
    """Begin executions as fast as they are accepted, and wait until all have ended."""
    for name in COUNTS if options.long else SHORT:
        share = 1 if service.name.startswith("stock") else 4
        yield name, burst(service, name, int(COUNTS[name] * options.seconds * share))


def one_worker(service: Service, options: Options) -> Iterator[Case]:
    """Do the same with one worker and a plain function."""
    yield from (case for case in jobs(service, options) if case[0] == "foo")


def burst(service: Service, name: str, count: int) -> Values:
    """Return the figures of so many executions, each measured by the server's clock."""
    function, _, size = name.partition("-")
    one = begin_request(None, function, int(size)) if size else begin_request()
    warm = newest(service)
    closed_loop(service.addresses, repeated(one), clients=CLIENTS, count=CLIENTS)
    ended(service, warm, CLIENTS)
    mark, before = newest(service), service.used()
    outcome = closed_loop(service.addresses, repeated(one), clients=CLIENTS, count=count)
    rows = ended(service, mark, outcome.good)
    return {
        **throughput(rows),
        "count": len(rows),
        "failed": outcome.failed,
        **service.since(before, len(rows)),
        **service.memory(),
    }


def idle(service: Service, options: Options) -> Iterator[Case]:
    """Begin one execution after the other, and take the time until its result is stored."""
    tries = IDLE_TRIES * options.repeats
    yield "foo", alone(service, begin_request(), tries)
    yield "steps-40", alone(service, begin_request(None, "steps", 40), max(tries // 3, 2))


def alone(service: Service, one: bytes, tries: int) -> Values:
    """Return the milliseconds from sending the begin to the stored end."""
    taken = []
    for _ in range(tries):
        time.sleep(0.2)  # the service is idle again
        mark, sent = newest(service), time.time() * 1000
        send(service, one)
        taken.append(ended(service, mark, 1, 60)[0][1] - sent)
    return {"p50_ms": statistics.median(taken), "max_ms": max(taken), "count": len(taken)}


PARTS: Final = (
    Part("jobs-1-worker", one_worker, workers=1, long=True),
    Part("jobs", jobs, STACKS, POSTGRES, workers=3),
    Part("idle", idle, ("stock", "ours"), ("stock-tuned", *POSTGRES), workers=3),
)
