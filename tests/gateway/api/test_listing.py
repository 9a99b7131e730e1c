"""Pages of /list: never more than asked for, nothing twice, nothing left out."""

from __future__ import annotations

import asyncio
import re
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

import pytest

from gateway.api.keys import BACKEND
from tests.support.gateway.played_worker import begin_step

if TYPE_CHECKING:
    from gateway.model.execution import Execution
    from gateway.settings import GatewaySettings
    from shared.resonate.store import Store
    from tests.support.faults.proxy import Proxy
    from tests.support.gateway.client import Gateway, StartGateway


COUNT = 230


async def walk(gateway: Gateway, prefix: str, limit: int) -> list[list[str]]:
    """Return the ids of each page."""
    pages: list[list[str]] = []
    cursor = ""
    while True:
        answer = await gateway.ask("GET", f"/list?prefix={prefix}&limit={limit}{cursor}")
        pages.append([item["id"] for item in answer.body["items"]])
        if answer.body["next_cursor"] is None:
            return pages
        cursor = f"&cursor={answer.body['next_cursor']}"


@pytest.mark.parametrize("limit", [7, 100, 101, 120, 150, 199, 200])
async def test_a_page_holds_no_more_than_its_limit(gateway: Gateway, job: str, limit: int) -> None:
    """Whatever the limit, pages keep to it, and together hold everything once."""
    # `_` would match any character: the neighbours must neither show nor take places.
    ids = [f"{job}_a-{n}" for n in range(COUNT)]
    others = [f"{job}xa-{n}" for n in range(40)]
    await asyncio.gather(*(gateway.begin(id, 1) for id in ids + others))

    pages = await walk(gateway, f"{job}_", limit)

    assert max(map(len, pages)) <= limit
    assert sorted(id for page in pages for id in page) == sorted(ids)


async def test_a_cursor_goes_with_any_limit(gateway: Gateway, job: str) -> None:
    """A list continues after a page, with pages of another size."""
    ids = [f"{job}-{n}" for n in range(12)]
    for id in ids:
        await gateway.begin(id, 1)
    first = await gateway.ask("GET", f"/list?prefix={job}&limit=4")
    cursor = first.body["next_cursor"]

    second = await gateway.ask("GET", f"/list?prefix={job}&limit=200&cursor={cursor}")

    listed = [item["id"] for answer in (first, second) for item in answer.body["items"]]
    assert listed == ids[::-1]


async def test_few_among_many_fill_a_page(gateway: Gateway, job: str) -> None:
    """Pages of a rare function are full, in order, and hold each execution once."""
    ids = [f"{job}-{n:03}" for n in range(130)]
    rare = ids[3::13]
    for id in ids:
        await gateway.begin(id, None, function="checkout" if id in rare else "foo")

    pages: list[list[str]] = []
    cursor = ""
    while True:
        target = f"/list?prefix={job}&function=checkout&status=pending&limit=4{cursor}"
        answer = await gateway.ask("GET", target)
        pages.append([item["id"] for item in answer.body["items"]])
        if answer.body["next_cursor"] is None:
            break
        cursor = f"&cursor={answer.body['next_cursor']}"

    assert [id for page in pages for id in page] == rare[::-1]
    assert [len(page) for page in pages[:2]] == [4, 4]


@pytest.mark.alone
async def test_a_search_is_bounded_and_by_prefix_alone(
    proxy: Proxy, settings: GatewaySettings, start_gateway: StartGateway
) -> None:
    """No filter makes the server search its whole table: it is asked for few rows, by prefix."""
    behind = replace(settings, server=replace(settings.server, store_port=proxy.port))
    gateway = await start_gateway(behind)
    for query in ("status=timedout", "function=fanout", "prefix=zzz", "limit=200"):
        assert (await gateway.ask("GET", f"/list?{query}")).status == 200

    searches = [
        call
        for call in map(unquote, proxy.calls)
        if call.startswith("GET /promises?") and "tags[execution]" not in call
    ]
    assert searches
    assert not [call for call in searches if "state=" in call or "tags[function]" in call]
    limits = [int(limit) for call in searches for limit in re.findall("limit=([0-9]+)", call)]
    assert max(limits) <= 100


async def everything(gateway: Gateway, query: str) -> list[list[dict[str, Any]]]:
    """Follow the cursor to the end; return the pages."""
    pages, cursor = [], ""
    while True:
        answer = await gateway.ask("GET", f"/list?{query}{cursor}")
        assert answer.status == 200, answer
        pages.append(answer.body["items"])
        if answer.body["next_cursor"] is None:
            return pages
        cursor = f"&cursor={answer.body['next_cursor']}"


async def test_executions_are_listed(gateway: Gateway, store: Store, job: str) -> None:
    """Newest first, in pages, by prefix, status and function, without steps or other cases."""
    ids = [f"{job}-{n}" for n in range(25)]
    for id in ids:
        await gateway.begin(id, None, function="checkout" if id.endswith("7") else "foo")
    for id in ids[:10]:
        await asyncio.to_thread(store.promises.resolve, id, ikey=id, data='"1"')
    await asyncio.to_thread(store.promises.cancel, ids[11], ikey="x")
    await gateway.begin(job.upper(), 1)
    timeout = int((time.time() + 60) * 1000)
    await asyncio.to_thread(
        store.promises.create, f"{ids[0]}.1", timeout, tags={"execution": ids[0]}
    )

    pages = await everything(gateway, f"prefix={job}-&limit=7")
    listed = [row["id"] for page in pages for row in page]
    resolved = await everything(gateway, f"prefix={job}-&status=resolved")
    canceled = await everything(gateway, f"prefix={job}-&status=canceled")
    checkouts = await everything(gateway, f"prefix={job}-&function=checkout")

    assert listed == ids[::-1]
    assert [len(page) for page in pages[:3]] == [7, 7, 7]
    assert [row["id"] for page in resolved for row in page] == ids[9::-1]
    assert [row["id"] for page in canceled for row in page] == [ids[11]]
    assert [row["id"] for page in checkouts for row in page] == [ids[17], ids[7]]
    assert pages[-1][-1] == {
        "id": ids[0],
        "function": "foo",
        "version": 1,
        "status": "resolved",
        "phase": None,
        "worker": None,
        "attempt": None,
        "created_at": pages[-1][-1]["created_at"],
        "completed_at": pages[-1][-1]["completed_at"],
    }


async def test_pending_executions_show_what_they_do(
    proxy: Proxy, settings: GatewaySettings, start_gateway: StartGateway, store: Store, job: str
) -> None:
    """Phase, worker and attempt of those that run or wait for a worker; the others cost no call."""
    behind = replace(settings, server=replace(settings.server, store_port=proxy.port))
    gateway = await start_gateway(behind)
    for name in ("done", "later", "queued", "running"):
        delay = "&delay=1h" if name == "later" else ""
        begun = await gateway.ask("POST", f"/begin?id={job}-{name}{delay}")
        assert begun.status == 202
    await asyncio.to_thread(store.promises.resolve, f"{job}-done", ikey="x", data='"1"')
    await asyncio.to_thread(begin_step, store, f"{job}-running", 1)
    proxy.calls.clear()

    rows = (await gateway.ask("GET", f"/list?prefix={job}")).body["items"]

    assert {row["id"].removeprefix(f"{job}-"): row["phase"] for row in rows} == {
        "done": None,
        "later": "scheduled",
        "queued": "queued",
        "running": "running",
    }
    assert [(row["worker"], row["attempt"]) for row in rows] == [
        ("worker-1", 1),
        *[(None, None)] * 3,
    ]
    assert not [call for call in proxy.calls if "-done" in call or "-later" in call]


@pytest.mark.alone
async def test_a_list_does_not_wait_for_activities(
    gateway: Gateway, job: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the server is slow, what is not known within half a second is null."""
    await gateway.begin(job, 1)

    async def slow(execution: Execution) -> Execution:
        await asyncio.Event().wait()
        return execution

    monkeypatch.setattr(gateway.app[BACKEND].searches, "with_activity", slow)
    began = time.monotonic()
    answer = await gateway.ask("GET", f"/list?prefix={job}")

    assert time.monotonic() - began < 3
    (row,) = answer.body["items"]
    assert (answer.status, row["status"]) == (200, "pending")
    assert (row["phase"], row["worker"], row["attempt"]) == (None, None, None)


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=201",
        "limit=x",
        "status=done",
        "prefix=a.b",
        "prefix=*",
        "version=1",
        "version=1&prefix=a",
        "function=foo&version=",
        "function=foo&version=0",
        "function=foo&version=-1",
        "function=foo&version=1.0",
        "function=foo&version=1000001",
        "function=foo&version=٣",
        "cursor=x",
        "cursor=",
        "q=1",
    ],
)
async def test_what_is_no_list_is_refused(offline: Gateway, query: str) -> None:
    """A filter or a cursor that makes no sense is a 400."""
    answer = await offline.ask("GET", f"/list?{quote(query, safe='=&*')}")

    assert (answer.status, answer.body["type"]) == (400, "/problems/invalid-request")
