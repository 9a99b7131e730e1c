"""Ids with `_`, which the server's searches would take for a wildcard, from begin to end."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from tests.support.catalog import CHECKOUT
from tests.support.clients.streams import read_stream
from tests.support.processes import call, wait_until

if TYPE_CHECKING:
    from tests.support.stack import Stack


@pytest.fixture(name="id")
def _id(job: str) -> str:
    return f"order_{job.replace('-', '_')}_"


def stored_ids(stack: Stack, like: str) -> list[str]:
    """Return the ids in the server's database that contain a text."""
    with closing(sqlite3.connect(stack.server.database)) as store:
        rows = store.execute("SELECT id FROM promises WHERE instr(id, ?) > 0", (like,))
        return [id for (id,) in rows]


def test_steps_and_keys_have_the_clients_id(stack: Stack, id: str) -> None:
    """Every answer, key and event has the id as the client sent it; no step is stored with `_`."""
    begun = stack.begin(id, "checkout", {"pace": 0})
    again = stack.begin(id, "checkout", {"pace": 0})
    ended = stack.outcome(id)
    events = read_stream(f"{stack.url}/events?id={id}").events

    assert (begun.body["promise"], again.body["created"]) == (id, False)
    assert ended["result"]["order"] == id
    assert ended["result"]["receipts"] == {
        step: f"{step}-{id}.{n}" for n, step in enumerate(CHECKOUT, 1)
    }
    assert [step["name"] for step in ended["steps"]] == CHECKOUT
    assert events[-1].name == "done"
    assert stored_ids(stack, id) == [id]
    assert len(stored_ids(stack, f"{id.replace('_', '~')}.")) == len(CHECKOUT)


def test_a_signal_and_a_cancel_find_it(stack: Stack, id: str) -> None:
    """A waiting execution takes its signal, and another is canceled."""
    stack.begin(id, "approval", {"within": "60s"})
    stack.begin(f"{id}2", "approval", {"within": "60s"})
    wait_until(lambda: stack.state(id)["phase"] == "waiting", what="the wait")

    signal = call(f"{stack.url}/signal?id={id}&name=approval", "POST", body=True)
    canceled = call(f"{stack.url}/cancel?id={id}2", "POST")

    assert signal.status == 202
    assert stack.outcome(id)["result"] == {"answered": True, "answer": True}
    assert (canceled.status, canceled.body["promise_id"]) == (200, f"{id}2")


def test_children_go_on_and_a_waiter_is_woken(stack: Stack, id: str) -> None:
    """Children end, and a client that waits for the parent is answered at its end."""
    stack.begin(id, "fanout", {"parts": 3, "pace": 0.2})

    answer = call(f"{stack.url}/wait?id={id}&wait=20s", timeout=25)

    assert answer.body["status"] == "resolved"
    assert len(answer.body["result"]["parts"]) == 3


def test_a_prefix_is_literal(stack: Stack, id: str) -> None:
    """A list by prefix finds these ids, and none that differs where they have `_`."""
    stack.begin(f"{id}1")
    stack.begin(f"{id.replace('_', 'x')}1")

    listed = call(f"{stack.url}/list?prefix={id}").body["items"]

    assert [item["id"] for item in listed] == [f"{id}1"]
