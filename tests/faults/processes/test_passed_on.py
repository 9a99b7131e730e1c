"""Nothing of a client's reaches the server but a checked, rebuilt value."""

from __future__ import annotations

import asyncio
import base64
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import orjson
import pytest

from gateway.settings import GatewaySettings
from shared.settings import ServerSettings, WebhookSettings
from tests.support.gateway.documents import operations, published
from tests.support.gateway.passed_on import check
from tests.support.gateway.raw import connected, request

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.support.faults.proxy import Proxy, Seen
    from tests.support.gateway.client import Gateway, StartGateway
    from tests.support.server import Server

MARK: Final = "zqxj"
"""In every hostile value, and in nothing else."""

TRICKS: Final = (
    *("", "/", "../", "%2e%2e%2f", "?a=", "#", ":", "*", "%", ".", "\0", "\n", "\r\nX-Evil: 1\r\n"),
    *(
        "'",
        '"',
        "\\",
        "{}",
        " ",
        "\t",
        "é",
        "\u202e",
        "\U0001f600",
        "~",
        "__invoke:",
        "@",
        ";",
        ",",
    ),
    "x" * 3000,
)

NOTHING: Final = "nothing: it stays in the gateway"
PASSED_ON: Final[Mapping[str, Mapping[str, str]]] = {
    "POST /begin": {
        "id": "id",
        "Idempotency-Key": "id",
        "function": "a name of the catalog",
        "timeout": "a time, computed from a number in a range",
        "delay": "a time, computed from a number in a range",
        "callback": "a URL whose parts are checked",
        "Prefer": NOTHING,
        "body": "JSON, parsed and written anew, and its hash",
        "traceparent": "the ids of trace and span, and two flags: hexadecimal digits",
        "tracestate": "a list of keys and printable values, beside a valid traceparent",
        "X-Request-Id": "itself, if it is of its grammar",
    },
    "GET /wait": {
        "id": "id",
        "wait": NOTHING,
        "include": NOTHING,
        "raise": NOTHING,
        "Prefer": NOTHING,
        "If-None-Match": NOTHING,
    },
    "GET /result": {"id": "id", "If-None-Match": NOTHING},
    "GET /events": {"id": "id", "Last-Event-ID": NOTHING},
    "POST /cancel": {"id": "id", "body": "the reason: a text of at most 1,024 characters"},
    "POST /signal": {
        "id": "id",
        "name": "a signal's name",
        "Idempotency-Key": "its hash",
        "body": "JSON, parsed and written in its canonical form",
    },
    "GET /list": {
        "status": NOTHING,
        "phase": NOTHING,
        "function": NOTHING,
        "version": NOTHING,
        "prefix": "the beginning of an id",
        "limit": "a number, by which searches are bounded",
        "cursor": "a position: a number; the server's cursor is built from it",
    },
    "GET /functions": {"If-None-Match": NOTHING},
    "GET /workers": {},
    "GET /healthz": {},
    "GET /readyz": {},
    "GET /metrics": {},
    "GET /": {"If-None-Match": NOTHING},
}
"""Each part of each request, and what of it reaches the server."""

FREE: Final = {("POST /begin", "body"), ("POST /begin", "callback"), ("POST /cancel", "body")} | {
    ("POST /signal", "body")
}
"""Parts in which a client may write what it likes, within the grammar that they are stored in."""

EVERYWHERE: Final = (
    *("traceparent", "tracestate", "X-Request-Id", "Authorization", "Cookie", "User-Agent"),
    *("X-Forwarded-For", "Strict", "task-id", "task-counter", "request-id"),
)
"""Headers that no operation names; the last ones are the server's own."""

UNDOCUMENTED: Final = {"traceparent", "tracestate", "X-Request-Id"}
"""Headers of every request, which are described once for all operations."""

PARENT: Final = f"00-{'a' * 32}-{'b' * 16}-01"


@pytest.fixture(name="proxied_gateway")
async def _proxied_gateway(
    proxy: Proxy, server: Server, start_gateway: StartGateway, job: str
) -> Gateway:
    """Return a gateway that meets the server by the proxy, with an execution of the test's id."""
    address = ServerSettings("http://127.0.0.1", proxy.port, server.message_port)
    webhooks = WebhookSettings("whsec_" + "A" * 44)
    gateway = await start_gateway(replace(GatewaySettings(server=address), webhooks=webhooks))
    assert (await gateway.begin(job, 1)).status == 202
    return gateway


def good(job: str) -> dict[str, dict[str, str]]:
    """Return for each route the parts with which it is answered."""
    return {route: {"id": job} for route in PASSED_ON if "id" in PASSED_ON[route]} | {
        "POST /begin": {"id": job, "traceparent": PARENT},
        "POST /signal": {"id": job, "name": "approval"},
    }


def hostile(part: str) -> Iterator[str]:
    """Yield values that a part must not have, or that must stay what they are."""
    for trick in TRICKS:
        yield f"{MARK}|{trick}"  # nothing that a gateway passes on as it is may have a |
        yield f"{trick}{MARK}|{trick}"
    if part == "tracestate":
        yield from (f"a={MARK},{each}" for each in ("b", "a=1", "b=\x7f", "b=é", "b=1," * 40))
        yield f"a={MARK}" + "x" * 512
    if part == "cursor":
        for limit in (0, -1, 50):
            search: dict[str, Any] = {
                "id": MARK,
                "limit": limit,
                "sortId": 1,
                "tags": {},
                "states": [],
            }
            whole = base64.urlsafe_b64encode(orjson.dumps({"Next": search})).decode()
            yield f"e30.{whole}.{MARK}"
            yield whole
        for ours in ([1, None, None, MARK], [1, MARK, None, ""], [MARK, None, None, ""], [1], MARK):
            yield base64.urlsafe_b64encode(orjson.dumps(ours)).decode()


def written(route: str, parts: Mapping[str, str], job: str) -> bytes:
    """Return a request with these parts, exactly as they are."""
    method, path = route.split()
    known = {**good(job).get(route, {}), **parts}
    headers, query, body = [], [], b""
    for name, value in known.items():
        if name == "body":
            body = value.encode()
        elif name[0].isupper() or name in EVERYWHERE:
            raw = value.replace("\r", "").replace("\n", "").replace("\0", "")
            headers.append(f"{name}: {raw.encode()[:8000].decode('latin-1')}")
        else:
            query.append(f"{name}={quote(value, safe='')}")
    if body:
        headers += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    line = f"{method} {path}?{'&'.join(query)} HTTP/1.1"
    return request(line, *headers, "Connection: close", body=body)


def test_every_part_of_every_request_is_listed() -> None:
    """A new parameter, header or body is not passed on before it stands in the list above."""
    documented = {
        f"{method} {path}": {each["name"] for each in operation.get("parameters", ())}
        | ({"body"} if "requestBody" in operation else set())
        for method, path, operation in operations(published())
        if "docs" not in path and "openapi" not in path
    }
    listed = {route: set(parts) - UNDOCUMENTED for route, parts in PASSED_ON.items()}

    assert listed == documented


@pytest.mark.parametrize("route", PASSED_ON)
async def test_only_allowed_values_reach_the_server(
    proxied_gateway: Gateway, proxy: Proxy, job: str, route: str
) -> None:
    """Hostile values of every part are refused, kept back, or stored as plain text."""
    others = [name for name in EVERYWHERE if name not in PASSED_ON[route]]
    for number, parts in enumerate([*([part] for part in PASSED_ON[route]), others, ["Host"]]):
        id, part = f"{job}-{number}", parts[0]
        await proxied_gateway.begin(id, 1)
        proxy.seen.clear()
        answers = [
            await sent(proxied_gateway, written(route, dict.fromkeys(parts, each), id))
            for each in hostile(part)
        ]
        assert all(100 <= status < 500 for status in answers), (part, answers)
        for call in list(proxy.seen):
            check(call)
            if (route, part) not in FREE:
                assert MARK not in plain(call), (part, call)


@pytest.mark.parametrize(
    ("route", "part", "value"),
    [
        ("POST /begin", "body", orjson.dumps({MARK: TRICKS}).decode()),
        ("POST /begin", "body", '{"func":"x","args":[],"kwargs":{},"version":1}'),
        ("POST /begin", "callback", f"https://93.184.216.34/{MARK}?a=b&c={{}}"),
        ("POST /cancel", "body", orjson.dumps({"reason": "".join(TRICKS)[:1024]}).decode()),
        ("POST /signal", "body", orjson.dumps({MARK: TRICKS}).decode()),
        ("GET /list", "prefix", "a_b"),
        ("GET /list", "limit", "200"),
        ("POST /begin", "delay", "30d"),
        ("POST /begin", "timeout", "365d"),
        ("POST /begin", "traceparent", PARENT),
        ("POST /begin", "tracestate", f"a={{'$\"\\|~ ,{MARK}=;"),
        ("POST /begin", "X-Request-Id", f"{MARK}/1:2.3_4+5=6-7"),
        *(("GET /wait", "include", each) for each in ("steps", "input")),
    ],
)
async def test_what_is_allowed_arrives_in_its_form(  # noqa: PLR0913, PLR0917 - three of a row
    proxied_gateway: Gateway, proxy: Proxy, job: str, route: str, part: str, value: str
) -> None:
    """The checks of this file see real calls: values that are allowed arrive, and pass them."""
    proxy.seen.clear()
    own = {"id": f"{job}-own"} if route == "POST /begin" else {}

    assert await sent(proxied_gateway, written(route, {**own, part: value}, job)) in {200, 202}

    assert proxy.seen
    for call in list(proxy.seen):
        check(call)


async def sent(gateway: Gateway, raw: bytes) -> int:
    """Send a request and return the status of its answer, 0 for a stream that goes on."""
    async with connected(gateway, raw) as wire:
        async with asyncio.timeout(10):
            head = await wire.reader.readuntil(b"\r\n")
        return int(head.split()[1])


def plain(call: Seen) -> str:
    """Return all text of a call, with encoded values decoded."""
    texts: list[Any] = [call.method, call.path, call.headers, call.body]
    body = orjson.loads(call.body) if call.body else {}
    if isinstance(body, dict):
        for holder in ("param", "value"):
            data = (body.get(holder) or {}).get("data")
            texts.append(base64.b64decode(data or ""))
    return repr(texts)
