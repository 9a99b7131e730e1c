"""What else a client may say of an execution: its key, its times, its end before its time."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.gateway.client import Gateway, running_gateway
from tests.support.gateway.hostile import HOSTILE, short

if TYPE_CHECKING:
    from gateway.settings import GatewaySettings
    from shared.resonate.store import Store

TYPE = {"Content-Type": "application/json"}


def seconds(text: str) -> float:
    """Return a time of an answer's."""
    return datetime.fromisoformat(text).timestamp()


@pytest.mark.parametrize("form", ["{}", '"{}"', ' "{}" '])
async def test_a_key_is_an_id(gateway: Gateway, job: str, form: str) -> None:
    """`Idempotency-Key`, bare or quoted, names the execution as `id` does."""
    headers = {**TYPE, "Idempotency-Key": form.format(job)}
    first = await gateway.ask("POST", "/begin", b"1", headers)
    again = await gateway.ask("POST", f"/begin?id={job}", b"1", headers)

    assert (first.body["promise"], first.body["created"]) == (job, True)
    assert (again.status, again.body["created"]) == (202, False)


@pytest.mark.parametrize("key", ["", '""', "a b", '"a', "a.b", "other", "a, b"])
async def test_a_wrong_key_is_refused(offline: Gateway, key: str) -> None:
    """A key that breaks the grammar, or is not the id beside it, is a 400."""
    answer = await offline.ask("POST", "/begin?id=a", b"1", {**TYPE, "Idempotency-Key": key})

    assert (answer.status, answer.body["type"]) == (400, "/problems/invalid-request")


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("30s", 30),
        ("15m", 900),
        ("2h", 7200),
        ("7d", 604_800),
        ("PT15M", 900),
        ("P1DT2H3M4S", 93_784),
    ],
)
async def test_an_execution_has_a_deadline(
    gateway: Gateway, job: str, text: str, length: int
) -> None:
    """`timeout` sets when the execution is over, and a replay does not change it."""
    before = time.time()
    answer = await gateway.ask("POST", f"/begin?id={job}&timeout={text}", b"1", TYPE)
    replay = await gateway.ask("POST", f"/begin?id={job}&timeout=1s", b"1", TYPE)

    at = seconds(answer.body["timeout_at"])
    assert before + length - 1 < at < time.time() + length + 1
    assert replay.body["timeout_at"] == answer.body["timeout_at"]


async def test_an_execution_may_start_later(gateway: Gateway, job: str) -> None:
    """`delay` sets when it starts, its deadline counts from then; before it is scheduled."""
    before = time.time()
    answer = await gateway.ask("POST", f"/begin?id={job}&delay=10m&timeout=1h", b"1", TYPE)
    state = await gateway.wait(job)

    assert before + 599 < seconds(answer.body["starts_at"]) < time.time() + 601
    assert round(seconds(answer.body["timeout_at"]) - seconds(answer.body["starts_at"])) == 3600
    assert (state.body["phase"], state.body["starts_at"]) == ("scheduled", answer.body["starts_at"])


async def test_past_its_deadline_it_is_timed_out(gateway: Gateway, job: str) -> None:
    """An execution that has not ended by its deadline is timedout, and a waiter is told."""
    await gateway.ask("POST", f"/begin?id={job}&timeout=1s", b"1", TYPE)

    answer = await gateway.ask("GET", f"/wait?id={job}&wait=10s")

    assert (answer.body["status"], answer.body["done"]) == ("timedout", True)


@pytest.mark.parametrize(
    "query",
    [
        f"timeout={text}"
        for text in ("", "0s", "1", "s", "-1s", "1.5h", "366d", "P", "PT", "P1", "1w")
    ]
    + [f"delay={text}" for text in ("31d", "soon", "%D9%A1s", "9999999999s")],
)
async def test_what_is_no_duration_is_refused(offline: Gateway, query: str) -> None:
    """A duration that cannot be understood or is out of range is a 400."""
    answer = await offline.ask("POST", f"/begin?id=a&{query}", b"1", TYPE)

    assert (answer.status, answer.body["type"]) == (400, "/problems/invalid-request")


async def test_canceling_ends_it(gateway: Gateway, job: str) -> None:
    """A canceled execution is canceled for everybody, and canceling it again changes nothing."""
    await gateway.begin(job, 1)
    first = await gateway.ask("POST", f"/cancel?id={job}", b'{"reason": "changed my mind"}', TYPE)
    again = await gateway.ask("POST", f"/cancel?id={job}")

    assert (first.status, first.body["status"], first.body["done"]) == (200, "canceled", True)
    assert (again.status, again.body) == (200, first.body)
    assert (await gateway.wait(job)).body["status"] == "canceled"


async def test_what_has_ended_cannot_be_canceled(gateway: Gateway, store: Store, job: str) -> None:
    """Canceling what ended otherwise is a 409 that says how; what is unknown is a 404."""
    await gateway.begin(job, 1)
    await asyncio.to_thread(store.promises.resolve, job, ikey=job, data='"1"')

    answer = await gateway.ask("POST", f"/cancel?id={job}")
    unknown = await gateway.ask("POST", f"/cancel?id={job}-x")

    assert (answer.status, answer.body["type"]) == (409, "/problems/already-done")
    assert answer.body["execution_status"] == "resolved"
    assert (unknown.status, unknown.body["type"]) == (404, "/problems/unknown-id")


@pytest.mark.parametrize(
    "body", [b"1", b'{"reason": 1}', b'{"why": "x"}', b"{", b'{"reason": "' + b"x" * 1025 + b'"}']
)
async def test_what_is_no_reason_is_refused(offline: Gateway, body: bytes) -> None:
    """A body that is not a reason is a 400, and nothing is canceled."""
    answer = await offline.ask("POST", "/cancel?id=a", body, TYPE)

    assert (answer.status, answer.body["type"]) == (400, "/problems/invalid-request")


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
    """A cursor of another list is refused, and so is one that was made up."""
    for n in range(3):
        await gateway.begin(f"{job}-{n}", 1)
    cursor = (await gateway.ask("GET", f"/list?prefix={job}&limit=1")).body["next_cursor"]

    other = await gateway.ask("GET", f"/list?limit=1&cursor={cursor}")
    forged = await gateway.ask("GET", "/list?cursor=WyJ4IixudWxsLG51bGwsIiJd")

    assert [answer.status for answer in (other, forged)] == [400, 400]


async def test_tokens_keep_others_out(settings: GatewaySettings, job: str) -> None:
    """With tokens every route asks for one, but for those that tell of the service itself."""
    token = "0123456789abcdef"
    async with running_gateway(replace(settings, tokens=("f" * 16, token))) as gateway:
        bare = await gateway.ask("POST", f"/begin?id={job}")
        wrong = await gateway.ask("GET", "/list", None, {"Authorization": "Bearer nonsense"})
        basic = await gateway.ask("GET", "/list", None, {"Authorization": f"Basic {token}"})
        right = await gateway.ask("GET", "/list", None, {"Authorization": f"bearer {token}"})
        health = await gateway.ask("GET", "/healthz")

    assert [a.status for a in (bare, wrong, basic, right, health)] == [401, 401, 401, 200, 200]
    assert bare.headers["WWW-Authenticate"] == "Bearer"
    assert bare.body["type"] == "/problems/unauthorized"
    assert token not in repr(settings)


OTHERS = [("GET", "/result"), ("POST", "/cancel"), ("POST", "/signal")]


@pytest.mark.parametrize("query", HOSTILE, ids=short)
async def test_a_hostile_id_is_refused_everywhere(offline: Gateway, query: str) -> None:
    """Whatever else takes an id answers one that breaks the grammar 400, and passes nothing on."""
    for method, path in OTHERS:
        also = "&name=a" if path == "/signal" else ""
        answer = await offline.ask(method, f"{path}?{query}{also}")

        assert (answer.status, answer.body["type"]) == (400, "/problems/invalid-request"), path
