"""POST /begin, row by row of the contract."""

from __future__ import annotations

import asyncio
import re
import string
import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import pytest

from shared.ids import ID_GRAMMAR
from shared.resonate.codec import encode_call
from tests.support.catalog import CATALOG
from tests.support.gateway.answers import JSON, assert_problem
from tests.support.gateway.hostile import HOSTILE, short

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shared.resonate.store import Store
    from tests.support.gateway.client import Gateway

RFC3339: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def begun(id: str, body: Mapping[str, Any], **changed: object) -> dict[str, Any]:
    """Return the body of the answer to a new begin; only its deadline is taken from `body`."""
    return {
        "promise": id,
        "status": "pending",
        "wait": f"/wait?id={id}",
        "created": True,
        "done": False,
        "function": "foo",
        "version": 1,
        "timeout_at": body["timeout_at"],
        "links": {"events": f"/events?id={id}", "cancel": f"/cancel?id={id}"},
        **changed,
    }


async def test_a_begin_is_answered_with_all_of_it(gateway: Gateway, job: str) -> None:
    """A new execution is answered 202, and the answer says where and when to ask again."""
    answer = await gateway.begin(job, {"n": 1})

    assert answer.status == 202
    assert answer.body == begun(job, answer.body)
    assert answer.headers["Content-Type"] == JSON
    assert answer.headers["Location"] == f"/wait?id={job}"
    assert answer.headers["Retry-After"] == "1"
    assert answer.headers["Cache-Control"] == "no-store"
    assert "Idempotent-Replayed" not in answer.headers
    assert "Error-Source" not in answer.headers


async def test_an_execution_may_take_a_day(gateway: Gateway, job: str) -> None:
    """Without a timeout the deadline is a day away, in UTC and to the millisecond."""
    before = datetime.now(UTC)
    answer = await gateway.begin(job)
    after = datetime.now(UTC)

    text = answer.body["timeout_at"]
    assert RFC3339.fullmatch(text)
    slack, day = timedelta(seconds=1), timedelta(days=1)
    assert before + day - slack <= datetime.fromisoformat(text) <= after + day + slack


async def test_nothing_at_all_starts_the_default(gateway: Gateway) -> None:
    """A bare POST starts `foo` with its default input under an id that the gateway mints."""
    answer = await gateway.ask("POST", "/begin")

    id = answer.body["promise"]
    assert (answer.status, uuid.UUID(id).version, str(uuid.UUID(id))) == (202, 7, id)
    assert answer.body == begun(id, answer.body)
    assert answer.headers["Location"] == f"/wait?id={id}"
    assert await gateway.input_of(id) == {"foo": "bar"}


async def test_minted_ids_grow(gateway: Gateway) -> None:
    """Ids minted one after the other are in order as texts."""
    ids = [(await gateway.ask("POST", "/begin")).body["promise"] for _ in range(5)]

    assert ids == sorted(set(ids))


async def test_every_character_of_the_grammar_may_be_used(gateway: Gateway, job: str) -> None:
    """Letters, digits, `_` and `-` make an id, up to 128 of them."""
    id = f"-_{job}-{string.ascii_letters}{string.digits}".ljust(128, "_")

    assert (await gateway.begin(id)).body["promise"] == id
    assert (await gateway.wait(id)).body["promise_id"] == id


@pytest.mark.parametrize("id", ["-", "_", "9"])
async def test_one_character_is_an_id(gateway: Gateway, id: str) -> None:
    """The shortest ids have one character."""
    answer = await gateway.begin(id)

    assert (answer.status, answer.body["promise"]) == (202, id)


async def test_case_makes_another_id(gateway: Gateway, job: str) -> None:
    """Two ids that differ in case are two executions."""
    lower, upper = await gateway.begin(job, 1), await gateway.begin(job.upper(), 2)

    assert (lower.body["created"], upper.body["created"]) == (True, True)


@pytest.mark.parametrize("query", HOSTILE, ids=short)
async def test_a_hostile_id_is_refused_and_not_passed_on(offline: Gateway, query: str) -> None:
    """An id that breaks the grammar is answered 400 without a call to the server."""
    answer = await offline.ask("POST", f"/begin?{query}")

    assert (answer.status, answer.body["type"]) == (400, "/problems/invalid-request"), answer
    assert answer.headers["Error-Source"] == "gateway"


async def test_a_bad_id_is_answered_with_the_grammar(offline: Gateway) -> None:
    """The problem for a bad id shows the grammar of ids, and does not repeat the bad id."""
    answer = await offline.ask("POST", "/begin?id=a.b")

    assert_problem(answer, "invalid-request", "/begin", f"The id must match {ID_GRAMMAR.pattern}.")


@pytest.mark.parametrize(
    ("query", "detail"),
    [
        ("function=foo&function=foo", "The parameter 'function' is given more than once."),
        ("id=a&id=b", "The parameter 'id' is given more than once."),
        ("ID=a", "Unknown parameter 'ID'; known: id, function, timeout, delay, callback."),
        (
            "colour=red",
            "Unknown parameter 'colour'; known: id, function, timeout, delay, callback.",
        ),
        ("=", "Unknown parameter ''; known: id, function, timeout, delay, callback."),
    ],
)
async def test_a_parameter_is_known_and_given_once(
    offline: Gateway, query: str, detail: str
) -> None:
    """Repeated and unknown parameters are refused, never ignored."""
    assert_problem(
        await offline.ask("POST", f"/begin?{query}"), "invalid-request", "/begin", detail
    )


@pytest.mark.parametrize("function", ["", "nope", "Foo", "foo.bar", "__init__", "%2E%2E%2Ffoo"])
async def test_an_unknown_function_stores_nothing(
    gateway: Gateway, job: str, function: str
) -> None:
    """A name that is not in the catalog is a 404, and the id stays unknown."""
    answer = await gateway.ask("POST", f"/begin?id={job}&function={function}", b"1")

    assert_problem(
        answer,
        "unknown-function",
        "/begin",
        f"Known functions: {', '.join(CATALOG.functions)}.",
    )
    assert (await gateway.wait(job)).body["type"] == "/problems/unknown-id"


async def test_what_is_stored_is_what_workers_read(
    gateway: Gateway, store: Store, job: str
) -> None:
    """The stored call has the function, its version and the input as one text, and a target."""
    await gateway.begin(job, {"b": 1, "a": [2]})

    stored = await asyncio.to_thread(store.promises.get, job)
    assert stored.param.data == encode_call("foo", 1, '{"b":1,"a":[2]}')
    assert stored.tags["resonate:invoke"] == "poll://any@worker"
