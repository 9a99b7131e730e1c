"""The parameter `callback`: which URLs are accepted, and what is stored."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import quote

import orjson
import pytest

from shared.destinations import Destinations
from shared.resonate.codec import decode_call
from shared.resonate.transport import PROMISE_NOT_FOUND, Refused
from shared.settings import ServerSettings, WebhookSettings
from shared.webhooks import WINDOW_SECONDS
from tests.support.gateway.answers import assert_problem

if TYPE_CHECKING:
    from gateway.settings import GatewaySettings
    from shared.resonate.store import Store
    from tests.support.gateway.client import Gateway, StartGateway
    from tests.support.processes import Answer

SECRET = "whsec_" + "c2VjcmV0" * 4


@pytest.fixture(name="gateway")
async def _gateway(settings: GatewaySettings, start_gateway: StartGateway) -> Gateway:
    webhooks = WebhookSettings(SECRET, Destinations.allowing(["127.0.0.9"]))
    return await start_gateway(replace(settings, webhooks=webhooks))


async def begin(gateway: Gateway, id: str, callback: str) -> Answer:
    """Begin `foo` with a callback."""
    return await gateway.ask("POST", f"/begin?id={id}&callback={quote(callback, safe='')}")


async def test_a_callback_is_stored_with_the_execution(
    gateway: Gateway, store: Store, job: str
) -> None:
    """The webhook's execution is stored before the answer, with a later deadline."""
    answer = await begin(gateway, job, "http://127.0.0.9/hook")

    root = await asyncio.to_thread(store.promises.get, job)
    delivery = await asyncio.to_thread(store.promises.get, f"{job}.webhook")
    call = decode_call(delivery.param.data)
    assert answer.status == 202
    assert root.tags["callback"] == "http://127.0.0.9/hook"
    assert delivery.tags["resonate:invoke"] == "poll://any@worker"
    assert delivery.timeout - root.timeout == WINDOW_SECONDS * 1000
    assert call.function == "webhook"
    assert orjson.loads(call.input_json) == {"id": job, "key": root.ikey_for_create}


async def test_a_replay_repairs_a_missing_delivery(
    gateway: Gateway, store: Store, job: str
) -> None:
    """If a gateway died before it stored the webhook's execution, a replay stores it."""
    await gateway.begin(f"{job}-other", 1)
    other = await asyncio.to_thread(store.promises.get, f"{job}-other")
    deadline = int((time.time() + 60) * 1000)
    await asyncio.to_thread(
        store.promises.create,
        job,
        deadline,
        ikey=other.ikey_for_create,
        data=other.param.data,
        tags={"callback": "http://127.0.0.9/", "kind": "execution", "function": "foo"},
    )

    answer = await gateway.begin(job, 1)

    assert answer.body["created"] is False
    delivery = await asyncio.to_thread(store.promises.get, f"{job}.webhook")
    assert (delivery.state, delivery.timeout) == ("PENDING", deadline + WINDOW_SECONDS * 1000)


async def test_the_first_callback_counts(gateway: Gateway, store: Store, job: str) -> None:
    """A replay's callback is ignored: another URL, a bad URL, or a URL where there was none."""
    await begin(gateway, job, "http://127.0.0.9/first")
    again = await begin(gateway, job, "http://127.0.0.9/second")
    bad = await begin(gateway, job, "http://127.0.0.1/")
    await gateway.begin(f"{job}-none")
    late = await begin(gateway, f"{job}-none", "http://127.0.0.9/late")

    assert [a.body["created"] for a in (again, bad, late)] == [False, False, False]
    root = await asyncio.to_thread(store.promises.get, job)
    assert root.tags["callback"] == "http://127.0.0.9/first"
    with pytest.raises(Refused) as caught:
        await asyncio.to_thread(store.promises.get, f"{job}-none.webhook")
    assert caught.value.code == PROMISE_NOT_FOUND


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/",
        "http://10.0.0.1/",
        "http://172.16.5.5/",
        "http://192.168.0.1/",
        "http://169.254.169.254/latest/meta-data",
        "http://localhost/",
        "http://localhost./",
        "http://2130706433/",
        "http://0x7f.1/",
        "http://[::1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://[::ffff:a00:1]/",
        "http://[fe80::1]/",
        "http://0/",
        "http://8.8.8.8:0/",
        "https://user:pass@8.8.8.8/",
        "ftp://8.8.8.8/",
        "no url",
        "",
    ],
)
async def test_what_could_never_be_delivered_is_refused(
    gateway: Gateway, store: Store, job: str, url: str
) -> None:
    """Private, loopback and link-local addresses in any spelling, and invalid URLs, are a 422."""
    answer = await begin(gateway, job, url)

    assert answer.status == 422
    assert_problem(answer, "invalid-input", "/begin", answer.body["detail"])
    assert answer.body["detail"].startswith("callback: ")
    with pytest.raises(Refused):
        await asyncio.to_thread(store.promises.get, job)


async def test_without_a_secret_there_are_no_callbacks(
    settings: GatewaySettings, job: str, start_gateway: StartGateway
) -> None:
    """Without a signing secret a callback is refused, and the answer names the secret."""
    gateway = await start_gateway(settings)
    answer = await begin(gateway, job, "https://8.8.8.8/")

    assert (answer.status, answer.body["type"]) == (422, "/problems/invalid-input")
    assert "WEBHOOK_SECRET" in answer.body["detail"]


async def test_nobody_begins_a_delivery(gateway: Gateway, job: str) -> None:
    """A client cannot begin the function behind webhooks."""
    answer = await gateway.begin(job, {"id": "x", "key": "y"}, function="webhook")

    assert (answer.status, answer.body["type"]) == (404, "/problems/unknown-function")


async def test_a_delivery_is_not_shown(gateway: Gateway, job: str) -> None:
    """The webhook's execution is not shown as a step, nor in lists."""
    await begin(gateway, job, "http://127.0.0.9/hook")

    state = await gateway.wait(job, "steps")
    listed = await gateway.ask("GET", f"/list?prefix={job}")

    assert (state.body["phase"], state.body["steps"]) == ("queued", [])
    assert [item["id"] for item in listed.body["items"]] == [job]


async def test_an_outage_is_answered_with_the_id(
    settings: GatewaySettings,
    closed_port: int,
    job: str,
    start_gateway: StartGateway,
) -> None:
    """The problem of a begin with a refused callback has the id, so that it can be repeated."""
    webhooks = WebhookSettings(SECRET)
    away = ServerSettings("http://127.0.0.1", closed_port)
    gateway = await start_gateway(replace(settings, server=away, webhooks=webhooks))
    answer = await begin(gateway, job, "http://127.0.0.1/")

    assert (answer.status, answer.body["id"]) == (503, job)
