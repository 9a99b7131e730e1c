"""What grows: finished executions in the store, workers, and the size of inputs and results."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bench.loads.loops import closed_loop
from bench.parts.jobs import burst
from bench.parts.part import (
    POSTGRES,
    Part,
    begin_request,
    closed,
    drained,
    ended,
    newest,
    repeated,
    throughput,
)
from bench.parts.waits import send
from bench.stacks.fill import copy_execution
from bench.stacks.subjects import SUBJECTS, started

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.parts.part import Case, Options, Values
    from bench.stacks.service import Service

LEVELS: Final = (100_000,)
LONG_LEVELS: Final = (10_000, 100_000, 1_000_000)
WORKERS: Final = (1, 2, 4, 8, 16)
SIZES: Final = (1, 16, 128, 1000)
"""KiB of JSON; a gateway takes a body of 1 MiB."""

TEMPLATE: Final = "bench-template"


def finished(service: Service, options: Options) -> Iterator[Case]:
    """Measure a store with finished executions and, in turn with it, one without any."""
    with started(SUBJECTS[service.name]) as empty:
        empty.scale(3)
        send(service, begin_request(TEMPLATE))
        drained(service, 0, 1)
        stored = 0
        for level in LONG_LEVELS if options.long else LEVELS:
            copy_execution(service.server.sql, TEMPLATE, range(stored, level))
            stored = level
            for _ in range(options.repeats):
                for name, each in (("0", empty), (str(level), service)):
                    yield f"begin, {level}: {name}", begins(each, options)
                    yield f"foo, {level}: {name}", burst(each, "foo", int(300 * options.seconds))


def begins(service: Service, options: Options) -> Values:
    """Begin while workers run what is begun."""
    mark = newest(service)
    values = closed(service, repeated(begin_request()), options.seconds)
    drained(service, mark, int(values["count"]))
    return values


def more_workers(service: Service, options: Options) -> Iterator[Case]:
    """Measure executions with more and more workers."""
    for count in WORKERS if options.long else WORKERS[:3]:
        service.scale(count)
        for name, size in (("foo", 300), ("steps-3", 100)):
            yield f"{name}, {count}", burst(service, name, int(size * options.seconds))


def sizes(service: Service, options: Options) -> Iterator[Case]:
    """Measure executions that return their input, by its size."""
    for kib in SIZES:
        one = begin_request(None, "echo", "x" * (kib * 1024 - 64))
        count = int(options.seconds * min(200, 4000 / kib))
        mark, before = newest(service), service.used()
        outcome = closed_loop(service.addresses, repeated(one), clients=16, count=count)
        rows = ended(service, mark, outcome.good)
        yield (
            f"{kib} KiB",
            {
                **throughput(rows),
                "count": len(rows),
                "failed": outcome.failed,
                **service.since(before, len(rows)),
                **service.memory(),
            },
        )


PARTS: Final = (
    Part("finished", finished, ("ours",), POSTGRES, workers=3, once=True, apart=True),
    Part("workers", more_workers, ("ours",), once=True, apart=True, long=True),
    Part("sizes", sizes, ("ours",), workers=3, once=True, apart=True, long=True),
)
