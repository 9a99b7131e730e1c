"""Large inputs and results: who asks for one gets it, read once; nobody else reads it."""

from __future__ import annotations

import asyncio
import base64
import sqlite3
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, unquote

import orjson
import pytest

from gateway.api.keys import LONG_POLLS
from gateway.backend.values import LOST
from gateway.http.budgets import ANSWERS_DETAIL
from gateway.http.keys import ANSWER_BUDGET
from shared.resonate.codec import encode_call
from shared.resonate.large_values import LARGE_BYTES
from shared.settings import ServerSettings
from tests.support.gateway.answers import assert_problem
from tests.support.gateway.client import until
from tests.support.gateway.played_worker import begin_step
from tests.support.gateway.streams import follow
from tests.support.processes import call

if TYPE_CHECKING:
    from gateway.settings import GatewaySettings
    from shared.resonate.store import Store
    from tests.support.faults.proxy import Proxy
    from tests.support.gateway.client import Gateway, StartGateway
    from tests.support.server import Server

KIB: Final = 1024
JSON: Final = {"Content-Type": "application/json"}
INPUT: Final = {"pad": "é" * (100 * KIB)}
RESULT: Final = ["x" * (150 * KIB), {"value-id": "=a=b"}, None]


@pytest.fixture(name="gateway")
async def _gateway(
    settings: GatewaySettings, proxy: Proxy, server: Server, start_gateway: StartGateway
) -> Gateway:
    """Return a gateway of the real server, which it meets by the proxy."""
    address = ServerSettings("http://127.0.0.1", proxy.port, server.message_port)
    return await start_gateway(replace(settings, server=address, answer_budget=KIB * KIB))


def reads(proxy: Proxy, job: str) -> int:
    """Return how often large values of an execution were read."""
    return sum(unquote(call).startswith(f"GET /promises/={job}") for call in proxy.calls)


async def end(store: Store, job: str, result: object = RESULT) -> None:
    """End an execution as a worker does."""
    data = orjson.dumps(orjson.dumps(result).decode()).decode()
    await asyncio.to_thread(store.promises.resolve, job, ikey=job, data=data)


async def lose(server: Server, job: str) -> None:
    """Delete the large values of an execution from the store."""

    def delete() -> None:
        with closing(sqlite3.connect(server.database)) as database, database:
            database.execute("DELETE FROM promises WHERE id LIKE ?", (f"={job}=%",))

    await asyncio.to_thread(delete)


async def test_those_who_ask_get_it(gateway: Gateway, store: Store, proxy: Proxy, job: str) -> None:
    """Every answer that shows a value shows it whole, and reads it once."""
    await gateway.begin(job, INPUT)
    await end(store, job)

    for number, target in enumerate([f"/wait?id={job}", f"/result?id={job}"], 1):
        answer = await gateway.ask("GET", target)
        shown = answer.body["result"] if number == 1 else answer.body
        assert (answer.status, shown) == (200, RESULT)
        assert reads(proxy, job) == number
    assert await gateway.input_of(job) == INPUT
    assert reads(proxy, job) == 4  # the result, too
    body = orjson.dumps(INPUT)
    begun = await gateway.ask("POST", f"/begin?id={job}", body, {**JSON, "Prefer": "wait=2"})
    assert (begun.status, begun.body["result"]) == (200, RESULT)
    stream = await follow(gateway, job)
    assert stream.events[-1].name == "done"
    assert stream.events[-1].data["result"] == RESULT
    assert gateway.app[ANSWER_BUDGET].held == 0


async def test_nobody_else_reads_it(gateway: Gateway, store: Store, proxy: Proxy, job: str) -> None:
    """Polls, steps, lists, events of a pending execution and replays read no large value."""
    await gateway.begin(job, INPUT)
    for n in (1, 2):
        await asyncio.to_thread(begin_step, store, job, n)
        large = orjson.dumps(f"{n}" * LARGE_BYTES).decode()
        await asyncio.to_thread(store.promises.resolve, f"{job}.{n}", ikey="a", data=large)
    proxy.calls.clear()

    assert (await gateway.wait(job)).body["done"] is False
    assert len((await gateway.wait(job, "steps")).body["steps"]) == 2
    listed = await gateway.ask("GET", f"/list?prefix={job}")
    assert [item["function"] for item in listed.body["items"]] == ["foo"]
    replayed = await gateway.begin(job, INPUT)
    assert (replayed.status, replayed.headers["Idempotent-Replayed"]) == (202, "true")
    assert (await gateway.begin(job, [INPUT])).status == 422
    await end(store, job)
    assert (await gateway.ask("HEAD", f"/events?id={job}")).status == 200
    assert reads(proxy, "") == 0


@pytest.mark.parametrize("path", ["/wait", "/result"])
async def test_a_client_that_has_it_costs_no_read(
    gateway: Gateway, store: Store, proxy: Proxy, job: str, path: str
) -> None:
    """HEAD gives the ETag, and If-None-Match compares it, without the value."""
    await gateway.begin(job, 1)
    await end(store, job)

    head = await gateway.ask("HEAD", f"{path}?id={job}")
    tag = head.headers["ETag"]
    kept = await gateway.ask("GET", f"{path}?id={job}", None, {"If-None-Match": tag})
    assert (head.status, kept.status, reads(proxy, job)) == (200, 304, 0)
    answer = await gateway.ask("GET", f"{path}?id={job}", None, {"If-None-Match": '"other"'})
    assert (answer.status, answer.headers["ETag"], reads(proxy, job)) == (200, tag, 1)


async def test_tags_of_different_values_differ(gateway: Gateway, store: Store, job: str) -> None:
    """Two executions that differ in nothing but a large result have two tags."""
    tags = []
    for id, end_of in ((f"{job}-1", "a"), (f"{job}-2", "b")):
        await gateway.begin(id, 1)
        await end(store, id, "x" * LARGE_BYTES + end_of)
        tags.append((await gateway.ask("HEAD", f"/result?id={id}")).headers["ETag"])

    assert len(set(tags)) == 2


async def test_a_crowd_that_is_woken_shares_one_read(
    gateway: Gateway, store: Store, proxy: Proxy, job: str
) -> None:
    """300 clients that wait for one execution all get its result, which is read once."""
    await gateway.begin(job, 1)
    asked = [
        asyncio.create_task(gateway.ask("GET", f"/wait?id={job}&wait=10s")) for _ in range(300)
    ]
    await until(lambda: len(gateway.app[LONG_POLLS]) == 1)
    await asyncio.sleep(0.3)  # let more of them wait; those that are late share as well
    await end(store, job)

    answers = await asyncio.gather(*asked)

    assert {answer.status for answer in answers} == {200}
    assert all(answer.body["result"] == RESULT for answer in answers)
    assert reads(proxy, job) <= 2
    assert gateway.app[ANSWER_BUDGET].held == 0


async def test_without_room_nothing_is_read(
    gateway: Gateway, store: Store, proxy: Proxy, job: str
) -> None:
    """A value for which the budget has no room is a 503 before it is read; small ones pass."""
    await gateway.begin(job, INPUT)
    await end(store, job)
    await gateway.begin(f"{job}-small", 1)
    await end(store, f"{job}-small", "x" * (LARGE_BYTES + 1))
    held = gateway.app[ANSWER_BUDGET].hold("of others", KIB * KIB - 100 * KIB)

    for target in (f"/wait?id={job}", f"/result?id={job}", f"/wait?id={job}&include=input"):
        answer = await gateway.ask("GET", target)
        assert_problem(answer, "overloaded", target.partition("?")[0], ANSWERS_DETAIL)
    assert (await follow(gateway, job)).names[-1] != "done"
    assert reads(proxy, job) == 0
    assert (await gateway.ask("GET", f"/result?id={job}-small")).status == 200
    held.release()
    assert (await gateway.ask("GET", f"/result?id={job}")).body == RESULT


async def test_a_read_that_fails_is_a_503(
    gateway: Gateway, store: Store, proxy: Proxy, job: str
) -> None:
    """If the server does not answer for the value, the client may repeat its request."""
    await gateway.begin(job, 1)
    await end(store, job)
    await gateway.ask("HEAD", f"/result?id={job}")
    proxy.harm("GET", f"/promises/={job}", "refuse-503", 1000)

    answer = await gateway.ask("GET", f"/result?id={job}")

    assert (answer.status, answer.body["type"]) == (503, "/problems/backend-unavailable")
    proxy.heal()
    assert (await gateway.ask("GET", f"/result?id={job}")).body == RESULT


async def test_a_lost_value_is_a_problem_of_its_own(
    gateway: Gateway, store: Store, server: Server, proxy: Proxy, job: str
) -> None:
    """It is a 500 that says so, and is asked for once; the stream of events ends with an error."""
    await gateway.begin(job, INPUT)
    await end(store, job)
    await lose(server, job)
    body = orjson.dumps(INPUT)

    for number, (method, path, also) in enumerate(
        [("GET", "/wait", {}), ("GET", "/result", {}), ("POST", "/begin", {"Prefer": "wait=1"})], 1
    ):
        sent = body if method == "POST" else None
        answer = await gateway.ask(method, f"{path}?id={job}", sent, {**JSON, **also})
        assert_problem(answer, "value-lost", path, LOST, id=job)
        assert reads(proxy, job) == number
    done = (await follow(gateway, job)).events[-1]
    assert (done.name, done.data["error"]) == ("done", {"type": "ValueLost", "message": LOST})
    assert (await gateway.ask("HEAD", f"/wait?id={job}")).status == 200


async def test_values_of_older_versions_are_read(
    gateway: Gateway, server: Server, proxy: Proxy, job: str
) -> None:
    """What was stored whole is answered as it is, however large."""

    def put(method: str, path: str, **body: Any) -> None:
        answer = call(f"http://127.0.0.1:{server.store_port}{path}", method, body)
        assert answer.status == 201, answer

    def encoded(data: str) -> dict[str, str]:
        return {"data": base64.b64encode(data.encode()).decode()}

    given = encode_call("foo", 1, orjson.dumps(INPUT).decode())
    tags = {"kind": "execution", "function": "foo", "request": "r"}
    put("POST", "/promises", id=job, timeout=4_000_000_000_000, param=encoded(given), tags=tags)
    value = encoded(orjson.dumps(orjson.dumps(RESULT).decode()).decode())
    put("PATCH", f"/promises/{quote(job)}", state="RESOLVED", value=value)

    assert (await gateway.wait(job)).body["result"] == RESULT
    assert (await gateway.ask("GET", f"/result?id={job}")).body == RESULT
    assert await gateway.input_of(job) == INPUT
    assert (await follow(gateway, job)).events[-1].data["result"] == RESULT
    assert reads(proxy, job) == 0


async def test_large_signals(gateway: Gateway, store: Store, proxy: Proxy, job: str) -> None:
    """An early large value is stored once for its promise; replays and others are told apart."""
    large, other = INPUT, {"pad": "è" * (100 * KIB)}
    await gateway.begin(job, 1)

    async def send(value: object) -> tuple[int, Any]:
        sent = orjson.dumps(value)
        answer = await gateway.ask("POST", f"/signal?id={job}&name=go", sent, JSON)
        return answer.status, answer.body.get("first")

    assert await send(large) == (202, True)
    assert await send(other) == (202, True)
    assert await send(large) == (202, True)
    await end(store, job, 1)
    assert await send(large) == (200, False)
    assert (await send(other))[0] == 409
    assert reads(proxy, f"{job}.signal.go") == 0
    stored = store.promises.get(f"{job}.signal.go")
    assert stored.value.headers == stored.param.headers
