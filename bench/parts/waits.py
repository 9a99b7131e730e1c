"""Waits on executions that are pending and that have ended, and long polls."""

from __future__ import annotations

import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

import orjson

from bench.loads.http import request
from bench.loads.loops import closed_loop
from bench.parts.part import (
    CLIENTS,
    POSTGRES,
    STACKS,
    Part,
    begin_request,
    closed,
    drained,
    newest,
    repeated,
    wait_request,
)
from shared.resonate import tags as tag
from shared.resonate.codec import encode_call
from shared.resonate.store import Store
from shared.resonate.transport import Transport
from shared.settings import ServerSettings
from tests.support.processes import call, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.parts.part import Case, Options
    from bench.stacks.service import Service

RESULT: Final = orjson.dumps('{"n":1}').decode()
WARM_SECONDS: Final = 0.3
WAKE_UPS: Final = 8
SETTLE_SECONDS: Final = 0.1
"""Seconds after which a long poll that was sent waits."""


def waits(service: Service, options: Options) -> Iterator[Case]:
    """Poll one execution that has ended, and one that sleeps."""
    for name, one in requests(service):
        closed_loop(service.addresses, repeated(one), clients=CLIENTS, seconds=WARM_SECONDS)
        yield name, closed(service, repeated(one), options.seconds)


def requests(service: Service) -> Iterator[tuple[str, bytes]]:
    """Yield the name and the request of each case, once its execution is in that state."""
    if service.name == "aiohttp":
        yield "finished", wait_request("any")
        return
    if service.name == "server":
        call(f"{service.url}/promises", "POST", {"id": "read", "timeout": 4102444800000})
        yield "finished", request("GET", "/promises/read")
        return
    mark, finished, pending = newest(service), service.new_id("waited"), service.new_id("sleeper")
    send(service, begin_request(finished))
    drained(service, mark, 1)
    expect(service, finished, done=True)
    yield "finished", wait_request(finished)
    send(service, begin_request(pending, "sleeper", None))
    over = f"SELECT count(*) FROM tasks WHERE root_promise_id = '{pending}' AND state = 8"
    wait_until(lambda: service.server.sql.rows(over) != [["0"]], what=f"the sleep of {pending}")
    expect(service, pending, done=False)
    yield "pending", wait_request(pending)
    expect(service, pending, done=False)
    cancel(service, pending)


def expect(service: Service, id: str, *, done: bool) -> None:
    """Raise `RuntimeError` unless a wait says that the execution has ended, or that it has not."""
    answer = call(f"{service.url}/wait?id={id}")
    if answer.body.get("done") is not done:
        raise RuntimeError(f"{service.name} answered a wait with {answer.body}")


def send(service: Service, one: bytes) -> None:
    """Send one request. Raises `RuntimeError` if it is not accepted."""
    outcome = closed_loop(service.addresses[:1], repeated(one), clients=1, count=1)
    if outcome.good != 1:
        raise RuntimeError(f"{service.name} answered {dict(outcome.statuses)}")


def cancel(service: Service, id: str) -> None:
    """Cancel an execution at the server, so that later parts find nothing pending."""
    url = f"http://127.0.0.1:{service.server.store_port}/promises/{id}"
    answer = call(url, "PATCH", {"state": "REJECTED_CANCELED"})
    if answer.status not in {200, 201}:
        raise RuntimeError(f"{id} was not canceled: {answer}")


def wake_ups(service: Service, options: Options) -> Iterator[Case]:
    """End executions in the store, and take the time until a client that waits has the answer."""
    settings = ServerSettings("http://127.0.0.1", service.server.store_port)
    transport = Transport(settings, attempt=5, budget=5)
    store = Store(transport)
    try:
        times = [wake_up(service, store) for _ in range(WAKE_UPS * options.repeats)]
    finally:
        transport.close()
    ordered = sorted(times)
    yield (
        "one client",
        {
            "p50_ms": statistics.median(ordered),
            "p99_ms": ordered[int(len(ordered) * 0.99)],
            "max_ms": ordered[-1],
            "count": len(ordered),
        },
    )


def wake_up(service: Service, store: Store) -> float:
    """Return the milliseconds from the stored end of an execution to the client's answer."""
    id = service.new_id("woken")
    tags = {tag.KIND: tag.EXECUTION, tag.FUNCTION: "foo"}
    until = int(time.time() * 1000) + 3_600_000
    store.promises.create(id, until, ikey=id, data=encode_call("foo", 1, "null"), tags=tags)
    with ThreadPoolExecutor(1) as threads:

        def poll() -> float:
            answer = call(f"{service.url}/wait?id={id}&wait=20s", timeout=25)
            if answer.body.get("done") is not True:
                raise RuntimeError(f"a long poll was answered {answer.body}")
            return time.time()

        answered = threads.submit(poll)
        wait_until(lambda: subscribed(service, id), what=f"a subscription to {id}")
        time.sleep(SETTLE_SECONDS)
        promise = store.promises.resolve(id, ikey=id, data=RESULT)
        stored = (promise.completed_on or 0) / 1000
        return (answered.result() - stored) * 1000


def subscribed(service: Service, id: str) -> bool:
    """Return whether the server will notify a gateway of the execution's end."""
    query = f"SELECT count(*) FROM callbacks WHERE promise_id = '{id}'"
    return service.server.sql.rows(query) != [["0"]]


PARTS: Final = (
    Part("wait", waits, (*STACKS, "ours-2", "ours-postgres", "server", "aiohttp"), workers=3),
    Part("wake-up", wake_ups, ("ours",), POSTGRES, workers=3),
)
