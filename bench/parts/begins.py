"""Begins: unique and repeated ids, in a closed loop and at a fixed rate."""

from __future__ import annotations

import itertools
import time
from typing import TYPE_CHECKING, Final

from bench.loads.http import request
from bench.loads.loops import closed_loop, open_loop
from bench.parts.part import (
    CLIENTS,
    POSTGRES,
    STACKS,
    Part,
    begin_request,
    closed,
    drained,
    forget,
    measured,
    newest,
    repeated,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.parts.part import Case, Options
    from bench.stacks.service import Service

WARM_SECONDS: Final = 0.5
STEADY_RATE: Final = 100
"""Begins a second, which every stack can take."""

INVOKED: Final = {"resonate:invoke": "poll://any@worker", "resonate:scope": "global"}
LATER: Final = 24 * 60 * 60 * 1000


def begins(service: Service, options: Options) -> Iterator[Case]:
    """Begin without workers: each id new, and one id again and again."""
    unique, repeat = requests(service)
    closed_loop(service.addresses, unique, clients=CLIENTS, seconds=WARM_SECONDS)
    for name, each in (("unique", unique), ("duplicate", repeat)):
        yield name, closed(service, each, options.seconds)
    if service.name != "aiohttp":
        forget(service)


def requests(service: Service) -> tuple[Iterator[bytes], Iterator[bytes]]:
    """Return begins with new ids, and begins with one id; for the server what a gateway sends."""
    if service.name != "server":
        return repeated(begin_request()), repeated(begin_request("duplicate"))
    names = (f"begin-{number}" for number in itertools.count())
    return map(promise_request, names), repeated(promise_request("duplicate"))


def promise_request(id: str) -> bytes:
    """Return the call with which a gateway begins an execution."""
    body = {
        "id": id,
        "timeout": int(time.time() * 1000) + LATER,
        "param": {"data": "eyJmdW5jIjoiZm9vIiwiYXJncyI6WyJ7XCJmb29cIjpcImJhclwifSJdfQ=="},
        "tags": {**INVOKED, "resonate:root": id, "resonate:parent": id},
    }
    return request("POST", "/promises", body, {"idempotency-key": id})


def working(service: Service, options: Options) -> Iterator[Case]:
    """Begin while workers run what is begun."""
    closed_loop(service.addresses, repeated(begin_request()), clients=CLIENTS, count=64)
    drained(service, 0, 0)
    mark = newest(service)
    values = closed(service, repeated(begin_request()), options.seconds)
    drained(service, mark, int(values["count"]))
    yield "unique", values


def steady(service: Service, options: Options) -> Iterator[Case]:
    """Begin at a fixed rate while workers run what is begun; times count from when it was due."""
    mark = newest(service)
    seconds = 2 * options.seconds
    values = measured(
        service,
        lambda: open_loop(
            service.addresses, repeated(begin_request()), rate=STEADY_RATE, seconds=seconds
        ),
    )
    drained(service, mark, int(values["count"]))
    yield f"{STEADY_RATE}/s", values


PARTS: Final = (
    Part("begin", begins, (*STACKS, "ours-2", "ours-postgres", "server", "aiohttp")),
    Part("begin-working", working, STACKS, POSTGRES, workers=3),
    Part("steady", steady, ("stock", "ours"), ("stock-tuned", *POSTGRES), workers=3),
)
