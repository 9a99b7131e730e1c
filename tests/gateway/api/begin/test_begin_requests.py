"""The id of the request that begins an execution, which is stored with the execution."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import quote

import orjson
import pytest

from shared.destinations import Destinations
from shared.settings import WebhookSettings

if TYPE_CHECKING:
    from gateway.settings import GatewaySettings
    from shared.resonate.store import Store
    from tests.support.gateway.client import Gateway, StartGateway
    from tests.support.processes import Answer

CHOSEN = "cart/7:" + "x" * 121
"""The longest id that a client may choose."""


@pytest.fixture(name="gateway")
async def _gateway(settings: GatewaySettings, start_gateway: StartGateway) -> Gateway:
    webhooks = WebhookSettings("whsec_" + "A" * 44, Destinations.allowing(["127.0.0.9"]))
    return await start_gateway(replace(settings, webhooks=webhooks))


async def begin(gateway: Gateway, id: str, request_id: str, more: str = "") -> Answer:
    """Begin `foo` with a request that has an id."""
    headers = {"X-Request-Id": request_id}
    return await gateway.ask("POST", f"/begin?id={id}{more}", None, headers)


async def tags_of(store: Store, id: str) -> dict[str, str]:
    """Return the tags that are stored of an execution."""
    return dict((await asyncio.to_thread(store.promises.get, id)).tags)


async def test_an_id_of_ours_is_no_tag_more(gateway: Gateway, store: Store, job: str) -> None:
    """Without an id of the client's, the id of the answer is the mark that each begin has."""
    answer = await gateway.begin(job)

    tags = await tags_of(store, job)
    assert tags["request"] == answer.headers["X-Request-Id"]
    assert "request_id" not in tags


async def test_an_id_of_the_clients_is_stored(gateway: Gateway, store: Store, job: str) -> None:
    """What a client has chosen is stored as it is, beside a mark that no other begin has."""
    answer = await begin(gateway, job, CHOSEN)

    tags = await tags_of(store, job)
    assert answer.headers["X-Request-Id"] == tags["request_id"] == CHOSEN
    assert len(tags["request"]) == 32


@pytest.mark.parametrize("bad", ["", " ", CHOSEN + "x", 'a"b', "a{b", "é", "a,b"])
async def test_what_is_no_id_is_not_stored(
    gateway: Gateway, store: Store, job: str, bad: str
) -> None:
    """A header that is too long, or not of the grammar, counts as none."""
    answer = await begin(gateway, job, bad)

    tags = await tags_of(store, job)
    assert answer.status == 202
    assert tags["request"] == answer.headers["X-Request-Id"]
    assert "request_id" not in tags


@pytest.mark.parametrize("again", [CHOSEN, "another", ""])
async def test_a_replay_keeps_the_first_id(
    gateway: Gateway, store: Store, job: str, again: str
) -> None:
    """A begin that is repeated is a replay, whatever its id, and the first id stays."""
    created = await begin(gateway, job, CHOSEN)
    replay = await begin(gateway, job, again)

    assert (created.body["created"], replay.body["created"]) == (True, False)
    assert (await tags_of(store, job))["request_id"] == CHOSEN


@pytest.mark.parametrize("chosen", [CHOSEN, ""])
async def test_a_webhook_has_the_id_too(
    gateway: Gateway, store: Store, job: str, chosen: str
) -> None:
    """A webhook's execution has the id of the same request, and so has one that a replay stores."""
    url = quote("http://127.0.0.9/hook", safe="")
    answer = await begin(gateway, job, chosen, f"&callback={url}")
    await begin(gateway, job, "later", f"&callback={url}")

    tags = await tags_of(store, f"{job}.webhook")
    assert tags["request_id"] == answer.headers["X-Request-Id"]
    assert "request" not in tags


async def test_no_answer_has_the_id(gateway: Gateway, job: str) -> None:
    """The id is for logs: neither the execution nor a list shows it."""
    begun = await begin(gateway, job, CHOSEN)
    paths = (f"/wait?id={job}&include=steps,input", f"/list?prefix={job}")
    answers = [begun, *[await gateway.ask("GET", path) for path in paths]]

    assert [each.status for each in answers] == [202, 200, 200]
    assert not [each for each in answers if CHOSEN.encode() in orjson.dumps(each.body)]
