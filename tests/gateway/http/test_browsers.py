"""What web pages may do with a gateway that the browser's user can reach."""

from __future__ import annotations

import socket
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import pytest

from gateway.http.browsers import EXPOSED_HEADERS
from tests.support.gateway.raw import connected, posted, request

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.settings import GatewaySettings
    from tests.support.gateway.client import Gateway, StartGateway
    from tests.support.gateway.raw import RawAnswer

TOKEN: Final = "0123456789abcdef"
BEARER: Final = {"Authorization": f"Bearer {TOKEN}"}
PAGE: Final = "https://app.example"
EVIL: Final = {"Origin": "http://evil.example"}
LINK: Final = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
FRAME: Final = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"}
CROSS: Final = {"Sec-Fetch-Site": "cross-site"}
SAME_SITE: Final = {"Sec-Fetch-Site": "same-site"}


def assert_refused(status: int, body: Any, slug: str) -> None:
    """Check that an answer is the problem of a page or a host that may not call."""
    assert (status, body["type"]) == (403, f"/problems/{slug}")


@pytest.mark.parametrize(
    "headers",
    [
        EVIL,
        {"Origin": "null"},
        {"Origin": ""},
        {"Origin": "http://localhost:1"},
        CROSS,
        SAME_SITE,
        {"Sec-Fetch-Site": "Cross-Site "},
        {**CROSS, **LINK},
        {**CROSS, **FRAME},
    ],
    ids=str,
)
@pytest.mark.parametrize("path", ["/begin?id={}-new", "/cancel?id={}", "/signal?id={}&name=a"])
async def test_a_foreign_page_changes_nothing(
    gateway: Gateway, job: str, path: str, headers: Mapping[str, str]
) -> None:
    """Forms and scripts of other origins, of the same machine too, are refused; nothing is done."""
    await gateway.begin(job)
    before = (await gateway.wait(job)).body
    answer = await gateway.ask("POST", path.format(job), None, headers)

    assert_refused(answer.status, answer.body, "forbidden-origin")
    assert (await gateway.wait(f"{job}-new")).status == 404
    assert (await gateway.wait(job)).body == before


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT"])
@pytest.mark.parametrize("path", ["/list", "/wait?id=a", "/docs", "/openapi.json", "/", "/nope"])
@pytest.mark.parametrize("headers", [EVIL, CROSS, {**CROSS, **FRAME}], ids=str)
async def test_a_foreign_page_reads_nothing(
    offline: Gateway, method: str, path: str, headers: Mapping[str, str]
) -> None:
    """Whatever the path and the method, known or not, the answer is the same refusal."""
    status, got, _ = await offline.fetch(method, path, headers)

    assert (status, got["Content-Type"]) == (403, "application/problem+json")
    assert "Access-Control-Allow-Origin" not in got


async def test_a_person_may_follow_a_link(gateway: Gateway, job: str) -> None:
    """A link on another page leads to a page of the gateway's, which that page does not see."""
    await gateway.begin(job)

    for path in ("/docs", f"/wait?id={job}"):
        for site in (CROSS, SAME_SITE, {"Sec-Fetch-Site": "none"}):
            assert (await gateway.fetch("GET", path, {**site, **LINK}))[0] == 200


async def test_the_gateways_own_page_may_call(gateway: Gateway, job: str) -> None:
    """A page of the same origin, perhaps behind a proxy that speaks TLS, may begin executions."""
    host = f"{gateway.host}:{gateway.port}"
    same = {"Sec-Fetch-Site": "same-origin"}

    for n, scheme in enumerate(("http", "https")):
        headers = {"Origin": f"{scheme}://{host}", **same}
        assert (await gateway.ask("POST", f"/begin?id={job}-{n}", None, headers)).status == 202
    for origin, own in (("http://127.0.0.1", "127.0.0.1:80"), ("https://[::1]", "[::1]:443")):
        headers = {"Origin": origin, "Host": own}
        assert (await gateway.ask("GET", "/list?limit=1", None, headers)).status == 200


async def test_health_is_for_everybody(gateway: Gateway) -> None:
    """Health checks may come with any name and origin, since they show nothing."""
    for path in ("/healthz", "/readyz"):
        assert (
            await gateway.ask("GET", path, None, {**EVIL, "Host": "evil.example"})
        ).status == 200


async def asked_as(gateway: Gateway, *hosts: str, line: str = "GET /list HTTP/1.1") -> RawAnswer:
    """Send a request with these `Host` headers."""
    head = "".join(f"Host: {host}\r\n" for host in hosts)
    async with connected(gateway, f"{line}\r\n{head}\r\n".encode("latin-1")) as wire:
        return await wire.answer()


@pytest.mark.parametrize(
    "host",
    [
        *("evil.example", "evil.example:5001", "localhost.evil.example", "127.0.0.1.evil.example"),
        *("evil", "xlocalhost", "[::", "[evil]", "a b", "localhost@evil.example", "2130706433x"),
        *("localhost:x", "localhost:5001:5001", "\xff", "localhost, evil.example"),
    ],
)
async def test_another_hosts_name_is_refused(gateway: Gateway, host: str) -> None:
    """A page whose own name resolves to the gateway reads and begins nothing."""
    read = await asked_as(gateway, host)
    begun = await asked_as(gateway, host, line="POST /begin?id=rebound HTTP/1.1")

    assert_refused(read.status, read.body, "forbidden-host")
    assert_refused(begun.status, begun.body, "forbidden-host")
    assert (await gateway.wait("rebound")).status == 404


@pytest.mark.parametrize(
    "host",
    [
        *("localhost", "LOCALHOST.:5001", "api.localhost:1", "127.0.0.1", "127.1.2.3:80", "[::1]"),
        *("[::1]:5001", "10.0.0.7:5001", "[fd00::1]:5001", socket.gethostname(), ""),
    ],
)
async def test_names_of_this_machine_and_addresses_are_taken(gateway: Gateway, host: str) -> None:
    """An address cannot be rebound, and a request without a host comes from no browser."""
    assert (await asked_as(gateway, host)).status == 200


async def test_a_request_without_a_host_is_taken(gateway: Gateway) -> None:
    """Old programs and health checks send none; browsers always do."""
    assert (await asked_as(gateway, line="GET /list HTTP/1.0")).status == 200


async def test_hosts_are_a_setting(settings: GatewaySettings, start_gateway: StartGateway) -> None:
    """A configured name is taken with any port, and `*` takes all names."""
    named = await start_gateway(replace(settings, allowed_hosts=("gateway", "fd00::2")))
    any_name = await start_gateway(replace(settings, allowed_hosts=("*",)))

    assert [
        (await asked_as(named, host)).status for host in ("gateway:5001", "GATEWAY", "evil.example")
    ] == [200, 200, 403]
    assert (await asked_as(any_name, "evil.example")).status == 200


async def test_with_tokens_the_token_protects(
    settings: GatewaySettings, job: str, start_gateway: StartGateway
) -> None:
    """A gateway with tokens takes any host and origin, unless hosts are configured."""
    secured = replace(settings, tokens=(TOKEN,))
    gateway = await start_gateway(secured)
    strict = await start_gateway(replace(secured, allowed_hosts=("api.example",)))
    asked = {**BEARER, **EVIL, "Host": "api.other"}

    assert (await gateway.ask("POST", f"/begin?id={job}", None, asked)).status == 202
    assert (await gateway.ask("POST", "/begin", None, EVIL)).status == 401
    assert (await strict.ask("GET", "/list", None, asked)).status == 403
    known = {**asked, "Host": "api.example"}
    assert (await strict.ask("GET", "/list", None, known)).status == 200


# Pages of other origins that may call, by a setting.

PREFLIGHT: Final = {"Origin": PAGE, "Access-Control-Request-Method": "POST"}


@pytest.fixture(name="shared")
async def _shared(settings: GatewaySettings, start_gateway: StartGateway) -> Gateway:
    """Return a gateway that pages of one other origin may call."""
    return await start_gateway(replace(settings, cors_origins=(PAGE,)))


async def test_an_allowed_page_may_call_and_read(shared: Gateway, job: str) -> None:
    """Answers of every status, problems and those for unknown paths too, may be read."""
    headers = {"Origin": PAGE, **CROSS}
    begun = await shared.ask("POST", f"/begin?id={job}", None, headers)
    missing = await shared.ask("GET", "/wait?id=missing", None, headers)
    unknown = await shared.ask("GET", "/nope", None, headers)

    assert [each.status for each in (begun, missing, unknown)] == [202, 404, 404]
    for each in (begun, missing, unknown):
        assert each.headers["Access-Control-Allow-Origin"] == PAGE
        assert each.headers["Access-Control-Expose-Headers"] == EXPOSED_HEADERS
        assert each.headers["Vary"] == "Origin"
        assert "Access-Control-Allow-Credentials" not in each.headers


async def test_an_allowed_page_may_stream(shared: Gateway, job: str) -> None:
    """The headers are on an event stream from its start."""
    await shared.begin(job)
    url = f"http://{shared.host}:{shared.port}/events?id={job}"
    async with shared.session.get(url, headers={"Origin": PAGE, **CROSS}) as stream:
        assert stream.headers["Access-Control-Allow-Origin"] == PAGE
        assert stream.headers["Vary"] == "Origin"


@pytest.mark.parametrize("path", ["/begin", "/wait?id=a", "/events", "/nope", "/healthz"])
async def test_a_preflight_is_answered(shared: Gateway, path: str) -> None:
    """Before it calls, a browser learns what the page may send, to whatever path."""
    status, headers, body = await shared.fetch("OPTIONS", path, PREFLIGHT)

    assert (status, body) == (204, b"")
    assert headers["Access-Control-Allow-Origin"] == PAGE
    assert headers["Access-Control-Allow-Methods"] == "GET, HEAD, POST"
    assert {"Content-Type", "Idempotency-Key", "Last-Event-ID", "Prefer", "Authorization"} <= set(
        headers["Access-Control-Allow-Headers"].split(", ")
    )
    assert "Origin" in headers.getall("Vary")
    assert "Access-Control-Allow-Private-Network" not in headers


async def test_a_preflight_for_a_private_network_is_answered(shared: Gateway) -> None:
    """A public page that may call is told so for a gateway at a private address, too."""
    asked = {**PREFLIGHT, "Access-Control-Request-Private-Network": "true"}
    _, headers, _ = await shared.fetch("OPTIONS", "/begin", asked)

    assert headers["Access-Control-Allow-Private-Network"] == "true"


@pytest.mark.parametrize("origin", [f"{PAGE}.evil", f"{PAGE}:444", "http://app.example", "null"])
async def test_only_exact_origins_are_allowed(shared: Gateway, origin: str) -> None:
    """An origin that merely looks like an allowed one is foreign, in a preflight too."""
    for method, path in (("OPTIONS", "/begin"), ("POST", "/begin"), ("GET", "/list")):
        headers = {**PREFLIGHT, "Origin": origin}
        status, got, _ = await shared.fetch(method, path, headers)
        assert (status, got["Vary"]) == (403, "Origin")
        assert "Access-Control-Allow-Origin" not in got


async def test_two_origins_are_none_that_is_allowed(shared: Gateway) -> None:
    """A request with a second `Origin` is refused."""
    sent = posted("/begin", f"Origin: {PAGE}", "Origin: http://evil.example")
    async with connected(shared, sent) as wire:
        assert (await wire.answer()).status == 403


async def test_any_page_may_call_with_a_token(
    settings: GatewaySettings, job: str, start_gateway: StartGateway
) -> None:
    """With tokens `*` lets every page call that has one, and read a refusal without one."""
    gateway = await start_gateway(replace(settings, tokens=(TOKEN,), cors_origins=("*",)))
    begun = await gateway.ask("POST", f"/begin?id={job}", None, {**BEARER, **EVIL})
    refused = await gateway.ask("POST", "/begin", None, EVIL)
    preflight = await gateway.fetch("OPTIONS", "/begin", {**PREFLIGHT, **EVIL})

    assert [begun.status, refused.status, preflight[0]] == [202, 401, 204]
    for headers in (begun.headers, refused.headers, preflight[1]):
        assert headers["Access-Control-Allow-Origin"] == "*"


async def test_without_the_setting_nothing_is_shared(gateway: Gateway) -> None:
    """By default no answer lets a page of another origin read it."""
    async with connected(gateway, request("OPTIONS /begin HTTP/1.1")) as wire:
        answer = await wire.answer()

    assert answer.status == 405
    assert not [name for name in answer.headers if name.startswith("access-control")]
    assert "vary" not in answer.headers
