"""Pages of /list: never more than asked for, nothing twice, nothing left out."""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
import re
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

import pytest

from gateway.api.keys import BACKEND
from tests.support.faults.proxy import proxy_to
from tests.support.gateway.played_worker import begin_step

if TYPE_CHECKING:
    from gateway.model.execution import Execution
    from gateway.settings import GatewaySettings
    from shared.resonate.store import Store
    from tests.support.gateway.client import Gateway, StartGateway
    from tests.support.server import Server


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


async def test_a_search_is_bounded_and_by_prefix_alone(
    server: Server, settings: GatewaySettings, start_gateway: StartGateway
) -> None:
    """No filter makes the server search its whole table: it is asked for few rows, by prefix."""
    with proxy_to(server.store_port) as proxy:
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


def encoded(value: object) -> str:
    """Return a value in the form of a cursor."""
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode()


def servers_own(search: object) -> str:
    """Return a cursor of the server's own, signed with its key, which is public."""
    head, body = (encoded(part).rstrip("=") for part in ({"alg": "HS256"}, {"Next": search}))
    signature = hmac.digest(b"resonate", f"{head}.{body}".encode(), "sha256")
    return f"{head}.{body}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


SEARCH: dict[str, Any] = {"id": "*", "states": ["PENDING"], "tags": {}, "limit": 1, "sortId": 5}
SEARCHES: list[Any] = [
    None,
    {},
    SEARCH,
    *({**SEARCH, "limit": limit} for limit in (0, -1, None, 10**6)),
    *({**SEARCH, "id": id} for id in ("", None, "%")),
    *({key: value for key, value in SEARCH.items() if key != missing} for missing in SEARCH),
]
ODD: list[Any] = [0, -1, 1.5, True, None, "", "5", [], {}, 2**31, 2**63, float("nan"), float("inf")]
HONEST: list[Any] = [5, None, None, ""]
BY_HAND = {
    "a search as the server takes it": [servers_own(search) for search in SEARCHES],
    "such a search in a cursor of ours": [
        encoded([servers_own(search), *HONEST[1:]]) for search in SEARCHES
    ],
    "an odd position": [encoded([position, *HONEST[1:]]) for position in ODD],
    "a field left out": [encoded(HONEST[:n] + HONEST[n + 1 :]) for n in range(len(HONEST))],
    "another field": [
        encoded([*HONEST[:n], "x" if value is None else None, *HONEST[n + 1 :]])
        for n, value in enumerate(HONEST)
    ],
    "one more field": [encoded([*HONEST, "x"]), encoded([HONEST]), encoded({"position": 5})],
    "no list": [encoded(value) for value in ODD],
    "no JSON": ["", "x", "!", "%FF", base64.b64encode(b"\xff\xfe").decode(), "e" * 4000],
}


@pytest.mark.parametrize("kind", BY_HAND)
async def test_a_cursor_made_by_hand_is_refused(
    gateway: Gateway, server: Server, kind: str
) -> None:
    """No forged cursor reaches the server; some of these would end its process."""
    answers = [
        await gateway.ask("GET", f"/list?limit=1&cursor={quote(cursor, safe='%')}")
        for cursor in BY_HAND[kind]
    ]

    alive = await gateway.ask("GET", "/list?limit=1")
    assert {(answer.status, answer.body["type"]) for answer in answers} == {
        (400, "/problems/invalid-request")
    }
    assert alive.status == 200
    assert server.child is not None
    assert server.child.poll() is None


@pytest.mark.parametrize("position", [1, 5, 2**31 - 1])
async def test_any_position_is_a_page(gateway: Gateway, position: int) -> None:
    """A cursor is a position in the list, and every position may be asked for."""
    cursor = encoded([position, *HONEST[1:]])

    answer = await gateway.ask("GET", f"/list?limit=1&cursor={cursor}")

    assert answer.status == 200
    assert len(answer.body["items"]) <= 1


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
        "status": "resolved",
        "phase": None,
        "worker": None,
        "attempt": None,
        "created_at": pages[-1][-1]["created_at"],
        "completed_at": pages[-1][-1]["completed_at"],
    }


async def test_pending_executions_show_what_they_do(
    settings: GatewaySettings, start_gateway: StartGateway, store: Store, job: str
) -> None:
    """Phase, worker and attempt of those that run or wait for a worker; the others cost no call."""
    names = ("done", "later", "queued", "running")
    with proxy_to(settings.server.store_port) as proxy:
        behind = replace(settings, server=replace(settings.server, store_port=proxy.port))
        gateway = await start_gateway(behind)
        for name in names:
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


async def test_a_list_does_not_wait_for_activities(
    gateway: Gateway, job: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the server is slow, what is not known within half a second is null."""
    await gateway.begin(job, 1)

    async def slow(execution: Execution) -> Execution:
        await asyncio.sleep(60)
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
        "cursor=x",
        "cursor=",
        "q=1",
    ],
)
async def test_what_is_no_list_is_refused(offline: Gateway, query: str) -> None:
    """A filter or a cursor that makes no sense is a 400."""
    answer = await offline.ask("GET", f"/list?{query}")

    assert (answer.status, answer.body["type"]) == (400, "/problems/invalid-request")


async def test_a_cursor_goes_with_its_filters(gateway: Gateway, job: str) -> None:
    """A cursor of a list with other filters is refused, and so is a forged cursor."""
    for n in range(3):
        await gateway.begin(f"{job}-{n}", 1)
    cursor = (await gateway.ask("GET", f"/list?prefix={job}&limit=1")).body["next_cursor"]

    other = await gateway.ask("GET", f"/list?limit=1&cursor={cursor}")
    forged = await gateway.ask("GET", "/list?cursor=WyJ4IixudWxsLG51bGwsIiJd")

    assert [answer.status for answer in (other, forged)] == [400, 400]
