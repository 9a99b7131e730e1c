"""Very many clients that wait at once, through several of their deadlines."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import resource
import time
from typing import TYPE_CHECKING, Final

from bench.loads.loops import closed_loop
from bench.parts.part import Part, begin_request, closed, repeated, wait_request
from bench.parts.waits import send

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from multiprocessing.connection import Connection

    from bench.loads.loops import Address
    from bench.parts.part import Case, Options
    from bench.stacks.service import Service

SPAWN: Final = multiprocessing.get_context("spawn")
SIZES: Final = ((1_000, 5, 1), (10_000, 25, 3))
"""Clients, seconds of each wait, and how often each waits; in the short run and in the long one."""

SHARED_BY: Final = 5
"""Clients that wait for one execution."""

ARRIVING: Final = 1_000
"""Clients that come each second."""

NICENESS: Final = 5
"""Niceness of the clients: they stand for other machines."""


def crowd(service: Service, options: Options) -> Iterator[Case]:
    """Let clients wait for pending executions, and begin others beside them."""
    clients, seconds, times = SIZES[options.long]
    allow_files()
    ids = [f"waited-{number}" for number in range(clients // SHARED_BY)]
    for id in ids:
        send(service, begin_request(id))
    alone = closed(service, repeated(begin_request()), options.seconds)
    resident = service.memory()["mib_gateway"]
    ours, theirs = SPAWN.Pipe()
    requests = [wait_request(id, seconds) for id in ids]
    arguments = (service.addresses, requests, clients, clients * times, theirs)
    process = SPAWN.Process(target=wait_all, args=arguments, daemon=True)
    process.start()
    try:
        time.sleep(seconds * 0.8)
        held = service.memory()["mib_gateway"]
        beside = closed(service, repeated(begin_request()), options.seconds)
        if not ours.poll(seconds * times + 60):
            raise TimeoutError("the clients did not end")
        statuses, taken = ours.recv()
    finally:
        process.kill()
        process.join()
    yield (
        f"{clients} clients",
        {
            "answers": sum(statuses.values()),
            "failed": sum(count for status, count in statuses.items() if status != 200),
            "kib_each": (held - resident) * 1024 / clients,
            "begins_alone": alone["rate"],
            "begins_beside": beside["rate"],
            "ratio": beside["rate"] / alone["rate"],
            **taken,
        },
    )


def wait_all(
    addresses: Sequence[Address],
    requests: list[bytes],
    clients: int,
    count: int,
    to: Connection,
) -> None:
    """Send so many waits with these clients, and then the statuses and times of their answers."""
    os.nice(NICENESS)
    allow_files()
    repeating = itertools.cycle(requests)
    outcome = closed_loop(
        addresses, repeating, clients=clients, count=count, seconds=600, arriving=ARRIVING
    )
    to.send((dict(outcome.statuses), outcome.values()))


def allow_files() -> None:
    """Let this process open as many files as it may."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


PARTS: Final = (Part("crowd", crowd, ("ours",), once=True, apart=True),)
