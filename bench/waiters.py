"""What do waiting clients cost, and how soon are they told? `python -m bench.waiters [many]`.

Three crowds wait at one gateway process: a thousand clients for one execution, `many` (10,000) for
one, and `many` for as many executions. The executions are ended in the store, as workers do it.
For each it prints what a waiter takes of the gateway's memory, how long after the end the answers
came, how far they lie apart, and how long /healthz took meanwhile.

The clients are processes of their own, which give way to the gateway; every process may open as
many files as the hard limit allows.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import resource
import sqlite3
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from bench.crowd import crowd, probe
from bench.endurance import cpu_seconds, resident_mib
from shared.resonate import tags as tag
from shared.resonate.codec import encode_call
from shared.resonate.store import Store
from shared.resonate.transport import Transport
from shared.settings import ServerSettings
from tests.support.processes import call, wait_until
from tests.support.stack import Stack, running_stack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from multiprocessing.connection import Connection

SPAWN = multiprocessing.get_context("spawn")
RESULT = orjson.dumps('{"n":1}').decode()
THREADS = 16
HOUR = 3600
SETTLE_SECONDS = 1.0


@dataclass(frozen=True)
class Row:
    """What one crowd came to: KiB a waiter, and milliseconds."""

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


def subscribed(database: Path) -> int:
    """Count what the server is to tell gateways of."""
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
        query = "SELECT count(*) FROM callbacks WHERE id LIKE '__notify:%'"
        return int(connection.execute(query).fetchone()[0])


def probed(prober: Connection) -> list[float]:
    """Return the milliseconds of each look at /healthz since the last time."""
    prober.send(None)
    return [seconds * 1000 for seconds in prober.recv()]


def measure(stack: Stack, store: Store, name: str, clients: int, ids: list[str]) -> Row:
    """Let so many clients wait at a new gateway for the ids, which are pending, then end them."""
    port = int(stack.add_gateway(name).rpartition(":")[2])
    gateway = stack.gateways[name].pid
    warm_up(port)
    before = subscribed(stack.server.database)
    resident, used = resident_mib(gateway), cpu_seconds(gateway)
    asked = [ids[n % len(ids)] for n in range(clients)]
    with (
        ThreadPoolExecutor(THREADS) as threads,
        child(probe, port) as prober,
        child(crowd, port, asked) as waiting,
    ):
        waiting.recv()
        wait_until(
            lambda: subscribed(stack.server.database) >= before + len(ids),
            seconds=120,
            what="subscriptions",
        )
        looks = [probed(prober)]
        time.sleep(SETTLE_SECONDS)  # nothing outside tells that the last one waits
        memory = (resident_mib(gateway) - resident) * 1024 / clients
        looks.append(probed(prober))
        ended = dict(zip(ids, threads.map(lambda id: end(store, id), ids), strict=True))
        times, repeated = waiting.recv()
        looks.append(probed(prober))
    after = [(at - ended[id]) * 1000 for at, id in zip(times, asked, strict=True)]
    spread = (max(times) - min(times)) * 1000
    used = (cpu_seconds(gateway) - used) * 1000 / clients
    stack.gateways[name].end()
    return Row(name, memory, sorted(after), spread, looks, repeated, used)


def warm_up(port: int) -> None:
    """Let the gateway have what it has once and for all, threads above all."""
    url = f"http://127.0.0.1:{port}/wait?id=nobody"
    with ThreadPoolExecutor(2 * THREADS) as threads:
        assert {answer.status for answer in threads.map(call, [url] * 1000)} == {404}


def end(store: Store, id: str) -> float:
    """End an execution as a worker does; return when the server says that it was."""
    promise = store.promises.resolve(id, ikey=id, data=RESULT)
    assert promise.completed_on is not None
    return promise.completed_on / 1000


def quantile(values: list[float], share: float) -> float:
    """Return the value below which the share of the sorted values lies."""
    return values[min(int(len(values) * share), len(values) - 1)]


def show(row: Row, clients: int) -> None:
    """Print what a crowd came to."""
    print(
        f"{row.name}: {row.memory:.1f} KiB and {row.cpu:.2f} ms of CPU a waiter; answers after"
        f" {quantile(row.after, 0.5):.0f} ms (median), {quantile(row.after, 0.99):.0f} ms (p99),"
        f" {row.after[-1]:.0f} ms (last), {row.spread:.0f} ms apart; {clients} woken,"
        f" {row.repeated} asked again"
    )
    for phase, looks in zip(("coming", "waiting", "ending"), row.healthz, strict=True):
        looks.sort()
        print(
            f"  /healthz while {phase:8} {quantile(looks, 0.5):6.1f} ms (median)"
            f" {quantile(looks, 0.99):6.1f} ms (p99) {looks[-1]:6.1f} ms (longest of {len(looks)})",
            flush=True,
        )


def begun(store: Store, prefix: str, count: int) -> list[str]:
    """Store executions that wait for something, so nobody runs them; return their ids."""
    ids = [f"{prefix}-{n}" for n in range(count)]
    timeout, call = int((time.time() + HOUR) * 1000), encode_call("approval", 1, "null")
    tags = {tag.KIND: tag.EXECUTION, tag.FUNCTION: "approval"}

    def begin(id: str) -> None:
        store.promises.create(id, timeout, ikey=id, data=call, tags=tags)

    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(begin, ids))
    return ids


def main(many: int) -> None:
    """Run the three crowds."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with (
        tempfile.TemporaryDirectory() as directory,
        running_stack(Path(directory), workers=0) as stack,
    ):
        server = stack.server
        settings = ServerSettings("http://127.0.0.1", server.store_port, server.message_port)
        store = Store(Transport(settings, attempt=10, budget=10))
        for name, clients, count in (
            ("1000-for-one", 1000, 1),
            (f"{many}-for-one", many, 1),
            (f"{many}-for-as-many", many, many),
        ):
            ids = begun(store, f"{clients}-{count}", count)
            show(measure(stack, store, name, clients, ids), clients)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
