"""Measures the cost of waiting clients and their delay: `python -m bench waiters`.

Three crowds wait, each at a new gateway: 1,000 clients for one execution, 10,000 for one, and
10,000 for as many executions. The executions are ended in the store, as workers do it. For
each crowd it prints the gateway's memory and CPU time for one client, the time from an execution's
end to its answers, the time between the first and the last answer, and the latency of /healthz.

The clients run in processes with a lower priority than the gateway's. Every process may open as
many files as the hard limit allows.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import resource
import sqlite3
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from bench.loads.crowd import crowd, probe
from shared.resonate import tags as tag
from shared.resonate.codec import encode_call
from shared.resonate.store import Store
from shared.resonate.transport import Transport
from shared.settings import ServerSettings
from tests.support.processes import call, wait_until
from tests.support.stack import Stack, running_stack
from tests.support.usage import cpu_seconds, resident_mib

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from multiprocessing.connection import Connection

SPAWN = multiprocessing.get_context("spawn")
RESULT = orjson.dumps('{"n":1}').decode()
CLIENTS = 10_000
THREADS = 16
HOUR = 3600
SETTLE_SECONDS = 1.0
"""Seconds between the last subscription and the end of the executions."""


@dataclass(frozen=True)
class Row:
    """Results of one crowd: KiB and CPU ms of one client, other times in ms."""

    name: str
    memory: float
    after: list[float]
    spread: float
    healthz: list[list[float]]
    repeated: int
    cpu: float


@contextlib.contextmanager
def child(work: Callable[..., None], *arguments: Any) -> Iterator[Connection]:
    """Run a function in a process of its own, with a pipe to it, until the block ends."""
    ours, theirs = SPAWN.Pipe()
    process = SPAWN.Process(target=work, args=(*arguments, theirs), daemon=True)
    process.start()
    try:
        yield ours
    finally:
        process.kill()
        process.join()


def count_subscriptions(database: Path) -> int:
    """Count the subscriptions of gateways in the server's store."""
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
        query = "SELECT count(*) FROM callbacks WHERE id LIKE '__notify:%'"
        return int(connection.execute(query).fetchone()[0])


def latencies(prober: Connection) -> list[float]:
    """Return the milliseconds of each request of /healthz since the last call."""
    prober.send(None)
    return [seconds * 1000 for seconds in prober.recv()]


def measure(stack: Stack, store: Store, name: str, clients: int, ids: list[str]) -> Row:
    """Let clients wait at a new gateway for pending executions, then end the executions."""
    port = int(stack.add_gateway(name).rpartition(":")[2])
    gateway = stack.gateways[name].pid
    warm_up(port)
    before = count_subscriptions(stack.server.database)
    resident, used = resident_mib(gateway), cpu_seconds(gateway)
    asked = [ids[n % len(ids)] for n in range(clients)]
    with (
        ThreadPoolExecutor(THREADS) as threads,
        child(probe, port) as prober,
        child(crowd, port, asked) as waiting,
    ):
        waiting.recv()
        wait_until(
            lambda: count_subscriptions(stack.server.database) >= before + len(ids),
            seconds=120,
            what="subscriptions",
        )
        healthz = [latencies(prober)]
        time.sleep(SETTLE_SECONDS)  # the last client's wait is not visible from outside
        memory = (resident_mib(gateway) - resident) * 1024 / clients
        healthz.append(latencies(prober))
        ended = dict(zip(ids, threads.map(lambda id: end(store, id), ids), strict=True))
        times, repeated = waiting.recv()
        healthz.append(latencies(prober))
    after = [(at - ended[id]) * 1000 for at, id in zip(times, asked, strict=True)]
    spread = (max(times) - min(times)) * 1000
    used = (cpu_seconds(gateway) - used) * 1000 / clients
    stack.gateways[name].end()
    return Row(name, memory, sorted(after), spread, healthz, repeated, used)


def warm_up(port: int) -> None:
    """Make the gateway create what it keeps for good, such as its threads."""
    url = f"http://127.0.0.1:{port}/wait?id=nobody"
    with ThreadPoolExecutor(2 * THREADS) as threads:
        assert {answer.status for answer in threads.map(call, [url] * 1000)} == {404}


def end(store: Store, id: str) -> float:
    """End an execution as a worker does; return the server's time of the end."""
    promise = store.promises.resolve(id, ikey=id, data=RESULT)
    assert promise.completed_on is not None
    return promise.completed_on / 1000


def quantile(values: list[float], share: float) -> float:
    """Return the value below which the share of the sorted values lies."""
    return values[min(int(len(values) * share), len(values) - 1)]


def show(row: Row, clients: int) -> None:
    """Print the results of a crowd."""
    print(
        f"{row.name}: {row.memory:.1f} KiB and {row.cpu:.2f} ms of CPU for one client;"
        f" answers after {quantile(row.after, 0.5):.0f} ms (median),"
        f" {quantile(row.after, 0.99):.0f} ms (p99), {row.after[-1]:.0f} ms (last),"
        f" first to last {row.spread:.0f} ms; {clients} clients, {row.repeated} requests repeated"
    )
    for phase, sample in zip(("connect", "wait", "end"), row.healthz, strict=True):
        sample.sort()
        print(
            f"  /healthz while clients {phase:7} {quantile(sample, 0.5):6.1f} ms (median)"
            f" {quantile(sample, 0.99):6.1f} ms (p99)"
            f" {sample[-1]:6.1f} ms (longest of {len(sample)})",
            flush=True,
        )


def create_executions(store: Store, prefix: str, count: int) -> list[str]:
    """Store pending executions that no worker runs; return their ids."""
    ids = [f"{prefix}-{n}" for n in range(count)]
    timeout, call = int((time.time() + HOUR) * 1000), encode_call("approval", 1, "null")
    tags = {tag.KIND: tag.EXECUTION, tag.FUNCTION: "approval"}

    def begin(id: str) -> None:
        store.promises.create(id, timeout, ikey=id, data=call, tags=tags)

    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(begin, ids))
    return ids


def main(clients: int = CLIENTS) -> None:
    """Measure the three crowds."""
    _, hard_limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard_limit, hard_limit))
    with (
        tempfile.TemporaryDirectory() as directory,
        running_stack(Path(directory), workers=0) as stack,
    ):
        server = stack.server
        settings = ServerSettings("http://127.0.0.1", server.store_port, server.message_port)
        store = Store(Transport(settings, attempt=10, budget=10))
        for name, crowd_size, executions in (
            ("1000-for-one", 1000, 1),
            (f"{clients}-for-one", clients, 1),
            (f"{clients}-for-as-many", clients, clients),
        ):
            ids = create_executions(store, f"{crowd_size}-{executions}", executions)
            show(measure(stack, store, name, crowd_size, ids), crowd_size)
