"""The version of an execution's function: stored once, and in every answer about the execution."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Final

import pytest

from shared.catalog import Catalog, Function
from shared.resonate import tags as tag
from shared.resonate.codec import encode_call
from tests.support.gateway.answers import assert_problem
from tests.support.gateway.played_worker import begin_step, resolve
from tests.support.gateway.streams import follow

if TYPE_CHECKING:
    from gateway.settings import GatewaySettings
    from shared.resonate.store import Store
    from tests.support.gateway.client import Gateway, StartGateway

OLD: Final = Catalog.of(Function("foo", 1, ""), Function("bar", 2, ""), default="foo")
NEW: Final = Catalog.of(Function("foo", 3, ""), Function("bar", 2, ""), default="foo")
LARGE: Final = "x" * 100_000
"""An input that is stored in a promise of its own."""


@pytest.fixture(name="old")
async def _old(settings: GatewaySettings, start_gateway: StartGateway) -> Gateway:
    return await start_gateway(settings, catalog=OLD)


@pytest.fixture(name="new")
async def _new(settings: GatewaySettings, start_gateway: StartGateway) -> Gateway:
    return await start_gateway(settings, catalog=NEW)


async def listed(gateway: Gateway, query: str) -> list[tuple[str, Any]]:
    """Return ids and versions of the first page of a list."""
    answer = await gateway.ask("GET", f"/list?{query}")
    assert answer.status == 200, answer
    return [(item["id"], item["version"]) for item in answer.body["items"]]


@pytest.mark.parametrize("given", [1, LARGE], ids=["small", "large"])
async def test_every_answer_has_the_version(
    old: Gateway, new: Gateway, store: Store, job: str, given: object
) -> None:
    """The version with which an execution was begun stays, also where a newer one is begun."""
    begun = await old.begin(job, given)
    await asyncio.to_thread(begin_step, store, job, 1)
    stored = await asyncio.to_thread(store.promises.get, job)

    assert (begun.body["version"], stored.tags[tag.VERSION]) == (1, "1")
    assert (await new.begin(job, given)).body["version"] == 1
    assert (await new.wait(job)).body["version"] == 1
    assert await listed(new, f"prefix={job}") == [(job, 1)]
    assert (await new.begin(f"{job}-2", given)).body["version"] == 3
    canceled = await new.ask("POST", f"/cancel?id={job}")
    assert canceled.body["version"] == 1
    events = [(event.name, event.data.get("version")) for event in (await follow(new, job)).events]
    assert events == [("state", 1), ("state", None), ("step", None), ("done", None)]


async def test_an_execution_of_an_older_release_has_its_version(
    gateway: Gateway, store: Store, job: str
) -> None:
    """Without the tag it is read from the call; of a large call it is not known."""
    tags = {tag.KIND: tag.EXECUTION, tag.FUNCTION: "foo"}
    deadline = int((time.time() + 60) * 1000)
    for id, given in ((job, "1"), (f"{job}-large", f'"{LARGE}"')):
        call = store.promises.values.stored(id, encode_call("foo", 7, given))
        await asyncio.to_thread(store.promises.create, id, deadline, ikey=id, data=call, tags=tags)

    assert (await gateway.wait(job)).body["version"] == 7
    large = await gateway.wait(f"{job}-large")
    assert (large.status, "version" in large.body) == (200, False)
    assert await listed(gateway, f"prefix={job}") == [(f"{job}-large", None), (job, 7)]
    assert await listed(gateway, f"prefix={job}&function=foo&version=7") == [(job, 7)]
    await resolve(store, f"{job}-large")
    assert "version" not in (await follow(gateway, f"{job}-large")).events[0].data


async def test_a_list_of_one_version(old: Gateway, new: Gateway, store: Store, job: str) -> None:
    """A list can be of one version of a function, with the other filters, page by page."""
    for n in range(6):
        await (new if n % 2 else old).begin(f"{job}-{n}", 1)
    await old.begin(f"{job}-bar", 1, function="bar")
    await resolve(store, f"{job}-0")

    query = f"prefix={job}&function=foo&version=1"
    assert await listed(new, query) == [(f"{job}-{n}", 1) for n in (4, 2, 0)]
    assert await listed(new, f"{query}&status=pending") == [(f"{job}-{n}", 1) for n in (4, 2)]
    assert await listed(new, f"prefix={job}&function=foo&version=2") == []
    assert await listed(new, f"prefix={job}&function=bar&version=2") == [(f"{job}-bar", 2)]
    first = await new.ask("GET", f"/list?{query}&limit=2")
    cursor = first.body["next_cursor"]
    assert await listed(new, f"{query}&limit=2&cursor={cursor}") == [(f"{job}-0", 1)]
    for other in ("&version=3", ""):
        target = f"/list?prefix={job}&function=foo{other}&cursor={cursor}"
        detail = "The cursor belongs to other filters."
        assert_problem(await new.ask("GET", target), "invalid-request", "/list", detail)


@pytest.mark.parametrize(
    ("query", "detail"),
    [
        ("version=1", "version needs the parameter function: the one that has this version."),
        ("function=foo&version=x", "version must be 1 to 1000000."),
    ],
)
async def test_a_version_is_one_of_a_function(offline: Gateway, query: str, detail: str) -> None:
    """A version without a function, or that is none, is a 400 that says so."""
    answer = await offline.ask("GET", f"/list?{query}")

    assert_problem(answer, "invalid-request", "/list", detail)
