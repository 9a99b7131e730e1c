"""What a part is, and what parts share: requests, executions that end, and their times."""

from __future__ import annotations

import itertools
import math
import time
from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bench.loads.http import request
from bench.loads.loops import closed_loop
from bench.loads.outcome import quantiles

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from bench.loads.outcome import Outcome
    from bench.stacks.service import Service

type Values = dict[str, float]
type Case = tuple[str, Values]
"""The name of a case, and its figures by name."""

STACKS: Final = ("stock", "stock-tuned", "ours")
POSTGRES: Final = ("ours-postgres",)
BODY: Final = {"foo": "load"}
CLIENTS: Final = 32
LOOK_SECONDS: Final = 0.05
"""Seconds between two looks at the store. The times themselves are the server's."""

ROOTS: Final = (
    "SELECT {columns} FROM promises WHERE sort_id > {after} AND id NOT LIKE '%.%'"
    " AND CAST(tags AS TEXT) LIKE '%resonate:invoke%'"
)
PENDING: Final = "1"
RESOLVED: Final = "2"


@dataclass(frozen=True)
class Options:
    """Seconds of one load, and whether everything is measured at its full size."""

    seconds: float = 1.0
    long: bool = False

    @property
    def repeats(self) -> int:
        """How often a part that is measured in one round repeats its comparison."""
        return 3 if self.long else 1


@dataclass(frozen=True)
class Part:
    """`measure` yields the cases of one service, which has so many workers.

    The long run adds `long_subjects`. A part that is `once` is measured in the first round alone,
    one that is `long` only in the long run. A part that is `apart` gets a service of its own.
    """

    name: str
    measure: Callable[[Service, Options], Iterator[Case]]
    subjects: tuple[str, ...] = STACKS
    long_subjects: tuple[str, ...] = ()
    workers: int = 0
    once: bool = False
    long: bool = False
    apart: bool = False


def begin_request(
    id: str | None = None,
    function: str | None = None,
    body: object = BODY,
    headers: Mapping[str, str] | None = None,
) -> bytes:
    """Return the request of a begin; without an id the gateway makes one."""
    query = "&".join(
        f"{name}={value}" for name, value in (("id", id), ("function", function)) if value
    )
    return request("POST", f"/begin?{query}" if query else "/begin", body, headers)


def wait_request(id: str, seconds: int = 0) -> bytes:
    """Return the request of a wait."""
    return request("GET", f"/wait?id={id}" + (f"&wait={seconds}s" if seconds else ""))


def measured(service: Service, load: Callable[[], Outcome]) -> Values:
    """Run a load, and return its figures with CPU, calls and memory."""
    before = service.used()
    outcome = load()
    if not outcome.good:
        raise RuntimeError(f"nothing was accepted: {dict(outcome.statuses)}")
    return {**outcome.values(), **service.since(before, outcome.good), **service.memory()}


def closed(service: Service, requests: Iterator[bytes], seconds: float) -> Values:
    """Return the figures of a closed loop of 32 clients."""
    return measured(
        service,
        lambda: closed_loop(service.addresses, requests, clients=CLIENTS, seconds=seconds),
    )


def repeated(one: bytes) -> Iterator[bytes]:
    """Yield the same request again and again."""
    return itertools.repeat(one)


def newest(service: Service) -> int:
    """Return the position of the newest promise in the store."""
    found = service.server.sql.rows("SELECT coalesce(max(sort_id), 0) FROM promises")
    return int(found[0][0])


def forget(service: Service) -> None:
    """Delete everything in the store, where no worker runs."""
    service.server.sql.run("DELETE FROM callbacks; DELETE FROM tasks; DELETE FROM promises")


def drained(service: Service, after: int, count: int, seconds: float = 120.0) -> list[float]:
    """Wait until so many executions that are newer than `after` have ended.

    Returns the seconds from begin to end of each, by the server's clock. Raises `TimeoutError`, and
    `RuntimeError` when one of them failed: failures are sooner done than work.
    """
    rows = ended(service, after, count, seconds)
    return [(end - begin) / 1000 for begin, end in rows]


def ended(
    service: Service, after: int, count: int, seconds: float = 120.0
) -> list[tuple[int, int]]:
    """Wait as `drained` does, and return the server's times of begin and end in ms."""
    query = ROOTS.format(columns="state, created_on, completed_on", after=after)
    until = time.monotonic() + seconds
    while True:
        rows = service.server.sql.rows(query)
        pending = sum(state == PENDING for state, *_ in rows)
        failed = sum(state not in {PENDING, RESOLVED} for state, *_ in rows)
        if failed:
            raise RuntimeError(f"{service.name}: {failed} of {len(rows)} executions failed")
        if len(rows) >= count and not pending:
            return [(int(begin), int(end)) for _, begin, end in rows]
        if time.monotonic() > until:
            raise TimeoutError(
                f"{service.name}: {pending} of {len(rows)} executions still pending"
                f" after {seconds:g} s"
            )
        time.sleep(LOOK_SECONDS)


def throughput(rows: list[tuple[int, int]]) -> Values:
    """Return executions/s until the last end and until the end of 95 % of them, and their times."""
    first, ends = min(begin for begin, _ in rows), sorted(end for _, end in rows)
    most = math.ceil(len(ends) * 0.95)
    taken = array("d", ((end - begin) / 1000 for begin, end in rows))
    return {
        "rate": len(ends) / max((ends[-1] - first) / 1000, 0.001),
        "rate_95": most / max((ends[most - 1] - first) / 1000, 0.001),
        **quantiles(taken),
    }
