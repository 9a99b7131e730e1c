"""Tokens: which requests need one, and which are refused."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import pytest
from aiohttp import web

from gateway.settings import GatewaySettings
from tests.support.gateway.client import Gateway
from tests.support.gateway.raw import connected, request

if TYPE_CHECKING:
    from gateway.settings import GatewaySettings
    from tests.support.gateway.client import Gateway, StartGateway


TOKEN: Final = "t-0123456789abcdef"
OTHER: Final = "u" * 40
DETAIL: Final = "Send Authorization: Bearer with a token that this service knows."
BEGIN: Final = "POST /begin?id=a HTTP/1.1"


async def _well(_: web.Request) -> web.Response:
    return web.json_response({})


@pytest.fixture(name="closed")
async def _closed(settings: GatewaySettings, start_gateway: StartGateway) -> Gateway:
    """Return a gateway with tokens, and with more routes below and beside the open paths."""
    paths = ("/metrics", "/docs", "/docs/{name}", "/openapi.json", "/docsx")
    routes = [web.get(path, _well) for path in paths]
    return await start_gateway(replace(settings, tokens=(OTHER, TOKEN)), routes)


@pytest.mark.parametrize(
    "given",
    [
        TOKEN,
        "Bearer",
        "Bearer ",
        f"Bearer{TOKEN}",
        f"Basic {TOKEN}",
        f"Bearer {TOKEN[:-1]}",
        f"Bearer {TOKEN}x",
        f"Bearer {TOKEN}, Bearer {TOKEN}",
        f"Bearer {TOKEN} {OTHER}",
        f"Bearer {'x' * 5000}",
        f"Bearer {TOKEN[:-1]}\xff",
        "Bearer \xed\xa0\x80",
        "Bearer \xe2\x98\x83",
    ],
)
async def test_any_other_token_is_refused(closed: Gateway, given: str) -> None:
    """Anything but one of the tokens is a 401 that names the scheme, whatever bytes it has."""
    sent = request("GET /list HTTP/1.1", f"Authorization: {given}")
    async with connected(closed, sent) as wire:
        answer = await wire.answer(1)

    assert (answer.status, answer.body["detail"]) == (401, DETAIL)
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "Bearer "])
@pytest.mark.parametrize("token", [TOKEN, OTHER])
async def test_every_token_lets_in(closed: Gateway, scheme: str, token: str) -> None:
    """Each of the tokens is accepted, with the scheme in any case."""
    headers = {"Authorization": f"{scheme} {token}"}

    assert (await closed.ask("GET", "/list", None, headers)).status == 200


async def test_two_headers_are_none(closed: Gateway) -> None:
    """Two Authorization headers are refused: a proxy might have checked the other one."""
    both = (f"Authorization: Bearer {TOKEN}", f"Authorization: Bearer {TOKEN}")
    async with connected(closed, request("GET /list HTTP/1.1", *both)) as wire:
        assert (await wire.answer()).status == 401


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/healthz", 200),
        ("/readyz", 200),
        ("/metrics", 200),
        ("/docs", 200),
        ("/docs/app.js", 200),
        ("/openapi.json", 200),
        ("/", 401),
        ("/docsx", 401),
        ("/list", 401),
        ("/%6Cist", 401),
        ("/docs/../list", 404),
        ("/docs/..%2Flist", 200),
        ("/healthz/", 401),
        ("//healthz", 401),
    ],
)
async def test_these_paths_are_open(closed: Gateway, path: str, status: int) -> None:
    """The service's own paths need no token, and no other spelling of a path is open.

    (`..%2Flist` below /docs is the name of a page there.)
    """
    async with connected(closed, request(f"GET {path} HTTP/1.1")) as wire:
        assert (await wire.answer()).status == status


async def test_a_refused_body_is_not_waited_for(closed: Gateway) -> None:
    """Without a token a request is refused before its body has come."""
    async with connected(closed, request(BEGIN, "Content-Length: 1000")) as wire:
        assert (await wire.answer(1)).status == 401


async def test_tokens_keep_others_out(
    settings: GatewaySettings, job: str, start_gateway: StartGateway
) -> None:
    """With tokens configured every route needs one, except for the service's own paths."""
    token = "0123456789abcdef"
    gateway = await start_gateway(replace(settings, tokens=("f" * 16, token)))
    bare = await gateway.ask("POST", f"/begin?id={job}")
    wrong = await gateway.ask("GET", "/list", None, {"Authorization": "Bearer nonsense"})
    basic = await gateway.ask("GET", "/list", None, {"Authorization": f"Basic {token}"})
    right = await gateway.ask("GET", "/list", None, {"Authorization": f"bearer {token}"})
    health = await gateway.ask("GET", "/healthz")

    assert [a.status for a in (bare, wrong, basic, right, health)] == [401, 401, 401, 200, 200]
    assert bare.headers["WWW-Authenticate"] == "Bearer"
    assert bare.body["type"] == "/problems/unauthorized"
    assert token not in repr(settings)
