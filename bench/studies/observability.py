"""Measures what metrics, the log and traces cost a gateway: `python -m bench observability`.

Gateways of one server, which differ in one of them, take the same begins in turns, so that what the
machine does beside it meets all. For each it prints begins a second and the CPU time of one, and
then what each part costs: the median of the rounds, each compared within itself.
"""

from __future__ import annotations

import itertools
import statistics
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import urlsplit

from aiohttp import web

from bench.loads.loops import closed_loop
from bench.parts.part import CLIENTS, begin_request
from bench.studies.waiters import child
from tests.support.ports import free_port
from tests.support.stack import running_stack
from tests.support.usage import cpu_seconds

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from multiprocessing.connection import Connection

    from tests.support.stack import Stack

ROUNDS: Final = 30
ROUND_SECONDS: Final = 1.0

SHIPPED: Final = "as it ships"
UNMEASURED: Final = "METRICS=off"
UNLOGGED: Final = "LOG_LEVEL=warning"
UNTRACED: Final = "without spans"
TRACED: Final = "traces sent"

COSTS: Final = {
    "metrics": (SHIPPED, UNMEASURED),
    "lines of requests": (SHIPPED, UNLOGGED),
    "traces that are off": (SHIPPED, UNTRACED),
    "traces that are sent": (TRACED, SHIPPED),
}
"""What costs something, and the gateways with it and without it."""

MODULES: Final = {UNTRACED: "bench.stacks.untraced"}


class Figure(NamedTuple):
    """Begins a second, and the gateway's CPU time for each in microseconds."""

    rate: float
    cpu: float


def collect(port: int, _: Connection) -> None:
    """Take spans and forget them, until the process is ended."""

    async def take(request: web.Request) -> web.Response:
        await request.read()
        return web.Response(content_type="application/x-protobuf")

    app = web.Application(client_max_size=2**26)
    app.add_routes([web.post("/v1/traces", take)])
    web.run_app(app, host="127.0.0.1", port=port, print=None, access_log=None)


def settings(collector: int) -> Mapping[str, Mapping[str, str]]:
    """Return the settings of each gateway."""
    return {
        SHIPPED: {},
        UNMEASURED: {"METRICS": "off"},
        UNLOGGED: {"LOG_LEVEL": "warning"},
        UNTRACED: {},
        TRACED: {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{collector}"},
    }


def measured(stack: Stack, url: str, name: str) -> Figure:
    """Begin executions at a gateway for a while."""
    split = urlsplit(url)
    gateway = stack.gateways[name].pid
    before = cpu_seconds(gateway)
    outcome = closed_loop(
        [(split.hostname or "", split.port or 80)],
        itertools.repeat(begin_request()),
        clients=CLIENTS,
        seconds=ROUND_SECONDS,
    )
    used = cpu_seconds(gateway) - before
    return Figure(outcome.good / outcome.seconds, used / max(outcome.good, 1) * 1e6)


def show(found: Mapping[str, Sequence[Figure]]) -> None:
    """Print the medians of all gateways, and what each part costs."""
    print("gateway", "begins/s", "CPU of the gateway, µs", sep="\t")
    for name, figures in found.items():
        rate, cpu = (statistics.median(column) for column in zip(*figures, strict=True))
        print(name, f"{rate:.0f}", f"{cpu:.1f}", sep="\t")
    print("cost of", "begins/s lost", "more CPU for each", sep="\t")
    for what, (with_it, without) in COSTS.items():
        pairs = list(zip(found[with_it], found[without], strict=True))
        lost = statistics.median(1 - one.rate / other.rate for one, other in pairs)
        more = statistics.median(one.cpu / other.cpu - 1 for one, other in pairs)
        print(what, f"{lost:.1%}", f"{more:.1%}", sep="\t", flush=True)


def main(rounds: int = ROUNDS) -> None:
    """Measure all gateways and print two tables."""
    collector = free_port()
    with (
        tempfile.TemporaryDirectory() as directory,
        running_stack(Path(directory), workers=0) as stack,
        child(collect, collector),
    ):
        urls = {
            name: stack.add_gateway(
                name,
                MODULES.get(name),
                ready=True,
                **{"GATEWAY_PORT": str(free_port()), **environment},
            )
            for name, environment in settings(collector).items()
        }
        found: dict[str, list[Figure]] = {name: [] for name in urls}
        for number in range(rounds + 1):
            # Who is first changes, since the store grows.
            first = number % len(urls)
            names = [*urls, *urls][first : first + len(urls)]
            figures = {name: measured(stack, urls[name], name) for name in names}
            for name in urls if number else ():  # the first round is to warm up
                found[name].append(figures[name])
    show(found)
