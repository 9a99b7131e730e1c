"""Parameters and headers that several resources share: ids, keys, durations, preferences."""

from __future__ import annotations

import time
from datetime import datetime
from typing import TYPE_CHECKING

import pytest

from tests.support.gateway.client import Gateway
from tests.support.gateway.hostile import HOSTILE, short
from tests.support.gateway.played_worker import resolve

if TYPE_CHECKING:
    from shared.resonate.store import Store
    from tests.support.gateway.client import Gateway


TYPE = {"Content-Type": "application/json"}


def seconds(text: str) -> float:
    """Return a time of an answer in seconds."""
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
    """A key that breaks the grammar, or differs from `id`, is a 400."""
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
    """`timeout` sets the deadline, and a replay does not change it."""
    before = time.time()
    answer = await gateway.ask("POST", f"/begin?id={job}&timeout={text}", b"1", TYPE)
    replay = await gateway.ask("POST", f"/begin?id={job}&timeout=1s", b"1", TYPE)

    at = seconds(answer.body["timeout_at"])
    assert before + length - 1 < at < time.time() + length + 1
    assert replay.body["timeout_at"] == answer.body["timeout_at"]


async def test_an_execution_may_start_later(gateway: Gateway, job: str) -> None:
    """`delay` sets the start, from which `timeout` counts; until then the phase is scheduled."""
    before = time.time()
    answer = await gateway.ask("POST", f"/begin?id={job}&delay=10m&timeout=1h", b"1", TYPE)
    state = await gateway.wait(job)

    assert before + 599 < seconds(answer.body["starts_at"]) < time.time() + 601
    assert round(seconds(answer.body["timeout_at"]) - seconds(answer.body["starts_at"])) == 3600
    assert (state.body["phase"], state.body["starts_at"]) == ("scheduled", answer.body["starts_at"])


async def test_past_its_deadline_it_is_timed_out(gateway: Gateway, job: str) -> None:
    """An execution that has not ended by its deadline is timedout, and its waiters are answered."""
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


OTHERS = [("GET", "/result"), ("POST", "/cancel"), ("POST", "/signal")]


@pytest.mark.parametrize("query", HOSTILE, ids=short)
async def test_a_hostile_id_is_refused_everywhere(offline: Gateway, query: str) -> None:
    """The other routes with an id answer 400 to a bad one too, without a call to the server."""
    for method, path in OTHERS:
        also = "&name=a" if path == "/signal" else ""
        answer = await offline.ask(method, f"{path}?{query}{also}")

        assert (answer.status, answer.body["type"]) == (400, "/problems/invalid-request"), path


@pytest.mark.parametrize(
    ("asked", "applied"),
    [
        ("0s", "wait=0"),
        ("25s", "wait=25"),
        ("26s", "wait=25"),
        ("2h", "wait=25"),
        ("PT9S", "wait=9"),
    ],
)
async def test_a_wait_has_a_limit(
    gateway: Gateway, store: Store, job: str, asked: str, applied: str
) -> None:
    """A wait is at most 25 s, and the answer names the seconds that counted."""
    await gateway.begin(job, 1)
    await resolve(store, job)

    answer = await gateway.ask("GET", f"/wait?id={job}&wait={asked}")

    assert (answer.status, answer.headers["Preference-Applied"]) == (200, applied)


async def test_the_header_is_as_good(gateway: Gateway, store: Store, job: str) -> None:
    """`Prefer: wait=` has the effect of the parameter; other preferences are ignored."""
    await gateway.begin(job, 1)
    await resolve(store, job)

    headers = {"Prefer": "respond-async, wait=3; x=y"}
    answer = await gateway.ask("GET", f"/wait?id={job}", None, headers)

    assert (answer.body["done"], answer.headers["Preference-Applied"]) == (True, "wait=3")


@pytest.mark.parametrize("text", ["26s", "999999999d", "P999999DT999999H999999999M999999999S"])
async def test_no_wait_is_too_long(gateway: Gateway, text: str) -> None:
    """A wait of any length is accepted; more than 25 s counts as 25."""
    answer = await gateway.ask("GET", f"/wait?id=unknown&wait={text}")

    assert (answer.status, answer.body["type"]) == (404, "/problems/unknown-id")


@pytest.mark.parametrize(
    "query", ["raise=2", "raise=yes", "wait=soon", "wait=-1s", "wait=1.5s", "wait="]
)
async def test_what_is_no_wait_is_refused(offline: Gateway, query: str) -> None:
    """A parameter that cannot be understood is a 400."""
    answer = await offline.ask("GET", f"/wait?id=a&{query}")

    assert (answer.status, answer.body["type"]) == (400, "/problems/invalid-request")


@pytest.mark.parametrize("seconds", ["26", "99999999999", "9" * 90])
async def test_a_long_preference_counts_as_the_longest(
    gateway: Gateway, store: Store, job: str, seconds: str
) -> None:
    """A preferred wait of any length is accepted, and the answer says that 25 s counted."""
    await gateway.begin(job, 1)
    await resolve(store, job)

    answer = await gateway.ask("GET", f"/wait?id={job}", None, {"Prefer": f"wait={seconds}"})

    assert answer.headers["Preference-Applied"] == "wait=25"
