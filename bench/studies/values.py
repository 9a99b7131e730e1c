"""Measures what large values cost those who do not want them: `python -m bench values`.

It prints, each for executions that a worker would have stored:
1. the CPU time of a poll of an execution with 10 results of steps of 1 MiB,
2. pages of /list over 200 executions with inputs and results of 1 MiB, and their memory,
3. the gateway's memory while 60 results of 4 MiB each are asked for at once.
"""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Final

import orjson

from shared.resonate import tags as tag
from shared.resonate.codec import encode_call
from tests.support.gateway.played_worker import begin_step
from tests.support.processes import call
from tests.support.stack import running_stack
from tests.support.usage import cpu_seconds, forget_peak, peak_mib

if TYPE_CHECKING:
    from shared.resonate.store import Store
    from tests.support.stack import Stack

MIB: Final = 1024 * 1024
POLLS: Final = 50
LISTED: Final = 200
RESULTS: Final = 60
LATER: Final = 24 * 60 * 60 * 1000


def execution(store: Store, id: str, value: object) -> None:
    """Store an execution with this input, as a gateway does."""
    until = int(time.time() * 1000) + LATER
    data = encode_call("foo", 1, orjson.dumps(value).decode())
    tags = {tag.KIND: tag.EXECUTION, tag.FUNCTION: "foo"}
    store.promises.create(id, until, ikey=id, data=data, tags=tags)


def end(store: Store, id: str, result: str) -> None:
    """Store an execution's result, as a worker does."""
    text = orjson.dumps(orjson.dumps(result).decode()).decode()
    store.promises.resolve(id, ikey=id, data=text)


def polls(stack: Stack, store: Store) -> None:
    """Print what a poll costs beside large results of steps."""
    execution(store, "polled", None)
    for n in range(1, 11):
        begin_step(store, "polled", n)
        large = orjson.dumps(f"{n}".ljust(MIB)).decode()
        store.promises.resolve(f"polled.{n}", ikey=f"{n}", data=large)
    pids = {"gateway": stack.gateways["gateway"].pid, "server": stack.server.pid}
    before = {name: cpu_seconds(pid) for name, pid in pids.items()}
    for _ in range(POLLS):
        stack.state("polled")
    for name, pid in pids.items():
        taken = (cpu_seconds(pid) - before[name]) / POLLS * 1000
        print("poll", name, f"{taken:.1f} ms of CPU", sep="\t")


def pages(stack: Stack, store: Store) -> None:
    """Print what pages of /list cost."""
    for n in range(LISTED):
        execution(store, f"listed-{n}", f"{n}".ljust(MIB))
        end(store, f"listed-{n}", f"{n}".ljust(MIB))
    gateway, server = stack.gateways["gateway"].pid, stack.server.pid
    for query in ("", "&prefix=listed"):
        for pid in (gateway, server):
            forget_peak(pid)
        began = time.monotonic()
        status = call(f"{stack.url}/list?limit={LISTED}{query}").status
        seconds = time.monotonic() - began
        memory = f"gateway {peak_mib(gateway):.0f} MiB, server {peak_mib(server):.0f} MiB"
        print("list", status, f"{seconds:.3f} s", memory, sep="\t", flush=True)


def results(stack: Stack, store: Store) -> None:
    """Print what many different large results take that are asked for at once."""
    for n in range(RESULTS):
        execution(store, f"result-{n}", None)
        end(store, f"result-{n}", f"{n}".ljust(4 * MIB))
    gateway = stack.gateways["gateway"].pid
    forget_peak(gateway)
    urls = [f"{stack.url}/result?id=result-{n}" for n in range(RESULTS)]
    with ThreadPoolExecutor(RESULTS) as pool:
        statuses = Counter(pool.map(lambda url: call(url).status, urls))
    print("results", dict(statuses), f"gateway {peak_mib(gateway):.0f} MiB", sep="\t", flush=True)


def main() -> None:
    """Measure one after the other."""
    with (
        tempfile.TemporaryDirectory() as directory,
        running_stack(Path(directory), workers=0) as stack,
        stack.store() as store,
    ):
        polls(stack, store)
        pages(stack, store)
        results(stack, store)
