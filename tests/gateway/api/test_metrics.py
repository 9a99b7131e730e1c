"""GET /metrics of one process."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import pytest

from tests.support.gateway.client import logged_requests
from tests.support.metrics import OPEN_METRICS, Scraped

if TYPE_CHECKING:
    from structlog.typing import EventDict

    from gateway.settings import GatewaySettings
    from tests.support.gateway.client import Gateway, StartGateway

TOKEN: Final = "0123456789abcdef"
BEGINS: Final = "durable_http_gateway_begins_total"
REQUESTS: Final = "durable_http_gateway_requests_total"


async def scraped(gateway: Gateway, accept: str = "") -> Scraped:
    """Return what a gateway exposes."""
    status, headers, text = await gateway.fetch("GET", "/metrics", {"Accept": accept})
    assert status == 200
    assert headers["Cache-Control"] == "no-store"
    return Scraped.read(text.decode(), headers["Content-Type"])


async def waiters_are(gateway: Gateway, expected: dict[str, float]) -> None:
    """Scrape until so many clients wait."""
    async with asyncio.timeout(5):
        found: dict[str, float] = {}
        while found != expected:
            samples = (await scraped(gateway)).samples("durable_http_gateway_waiters")
            found = {labels["kind"]: value for labels, value in samples}


async def test_anybody_may_ask(settings: GatewaySettings, start_gateway: StartGateway) -> None:
    """Neither tokens nor allowed hosts keep Prometheus out, which asks an address."""
    closed = replace(settings, tokens=(TOKEN,), allowed_hosts=("api.example",))
    gateway = await start_gateway(closed)

    for host in ("gateway.internal:5001", "10.0.0.7", "api.example"):
        status, _, text = await gateway.fetch("GET", "/metrics", {"Host": host})
        assert (status, REQUESTS.encode() in text) == (200, True)
    assert (await gateway.fetch("GET", "/list", {"Host": "10.0.0.7"}))[0] in {401, 403}


async def test_the_form_is_as_accepted(gateway: Gateway) -> None:
    """Prometheus gets OpenMetrics if it names that, and everybody else gets text; HEAD works."""
    _, headers, text = await gateway.fetch("GET", "/metrics", {"Accept": OPEN_METRICS})
    _, plain, _ = await gateway.fetch("GET", "/metrics", {"Accept": "*/*"})
    status, _, nothing = await gateway.fetch("HEAD", "/metrics")

    assert headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
    assert text.endswith(b"# EOF\n")
    assert plain["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert (status, nothing) == (200, b"")


async def test_scrapes_are_not_in_the_log(gateway: Gateway, job: str, log: list[EventDict]) -> None:
    """A scrape has a line at debug only, as a health check has."""
    await scraped(gateway)
    await gateway.wait(job)
    lines = await logged_requests(log, 2)

    assert {line["path"]: line["log_level"] for line in lines} == {
        "/metrics": "debug",
        "/wait": "info",
    }


async def test_begins_are_counted_by_outcome(gateway: Gateway, job: str) -> None:
    """Each begin counts once, as what became of it; what is no begin counts nowhere."""
    await gateway.begin(job, {"a": 1})
    await gateway.begin(job, {"a": 1})
    await gateway.begin(job, {"a": 2})
    await gateway.begin(f"{job}-2", b"{")
    await gateway.begin(f"{job}-3", function="unknown")
    await gateway.ask("GET", "/begin")
    found = await scraped(gateway)

    counted = {labels["outcome"]: value for labels, value in found.samples(BEGINS)}
    assert {outcome: n for outcome, n in counted.items() if n} == {
        "created": 1,
        "replayed": 1,
        "conflict": 1,
        "invalid": 2,
    }
    assert {"refused", "unavailable", "failed", "left"} <= counted.keys()
    assert found.value("durable_http_gateway_begin_duration_seconds_count") == 2
    assert found.value("durable_http_store_calls_total", verb="create", status="201") >= 1


async def test_begins_without_a_server_are_unavailable(offline: Gateway, job: str) -> None:
    """A begin that the server did not answer is no fault of its client."""
    await offline.begin(job)
    found = await scraped(offline)

    assert found.value(BEGINS, outcome="unavailable") == 1
    assert found.value("durable_http_store_calls_total", status="unanswered") >= 1
    assert found.value("durable_http_gateway_server_connected") == 0


async def test_begins_without_room_are_refused(
    settings: GatewaySettings, start_gateway: StartGateway, job: str
) -> None:
    """A gateway that takes no begin counts refusals."""
    gateway = await start_gateway(replace(settings, begins=0))
    await gateway.begin(job)

    assert (await scraped(gateway)).value(BEGINS, outcome="refused") == 1


async def test_clients_cannot_make_series(gateway: Gateway, job: str) -> None:
    """Paths, ids, methods and statuses of requests make as many series as there are routes."""
    await gateway.wait(job)
    await scraped(gateway)
    before = (await scraped(gateway)).series()
    for n in range(50):
        await gateway.ask("GET", f"/wait?id={job}-{n}")
        await gateway.ask("GET", f"/nowhere/{job}/{n}")
        await gateway.ask(("PROPFIND", "MKCOL", "REPORT")[n % 3], f"/wait?id={job}")
    found = await scraped(gateway)

    assert found.series() - before < 60  # the route `other` and the method `other`
    assert found.value(REQUESTS, route="/wait", method="GET", status="404") == 51
    assert found.value(REQUESTS, route="other", status="404") == 50
    assert found.value(REQUESTS, method="other") == 50
    assert job not in str(found.families)


async def test_the_first_fault_is_an_increase(gateway: Gateway) -> None:
    """Each route has the status 500 from the start, and has not answered it."""
    found = (await scraped(gateway)).samples(REQUESTS)
    faults = {(each["method"], each["route"]): n for each, n in found if each["status"] == "500"}

    assert set(faults.values()) == {0}
    assert faults.keys() >= {("POST", "/begin"), ("GET", "/list"), ("GET", "/metrics")}
    assert {route for _, route in faults} <= {
        route.canonical for route in gateway.app.router.resources()
    }


async def test_who_waits_is_counted(gateway: Gateway, job: str) -> None:
    """Clients that wait, and those that read events, are counted while they do."""
    await gateway.begin(job)
    waiting = asyncio.create_task(gateway.ask("GET", f"/wait?id={job}&wait=20s"))
    url = f"http://{gateway.host}:{gateway.port}/events?id={job}"
    async with gateway.session.get(url) as events:
        assert await events.content.readline()
        await waiters_are(gateway, {"wait": 1, "events": 1})
    await gateway.ask("POST", f"/cancel?id={job}")
    await waiting
    await waiters_are(gateway, {"wait": 0, "events": 0})


async def test_a_crowd_is_answered_by_few_scrapes(gateway: Gateway) -> None:
    """Who asks while a scrape is made gets that one: hundreds at once do no harm."""
    found = await asyncio.gather(*(scraped(gateway) for _ in range(300)))

    assert all(each.value("process_resident_memory_bytes") > 0 for each in found)
    counts = {each.value("process_cpu_seconds_total") for each in found}
    assert len(counts) < 100


async def test_a_client_that_leaves_ends_nobody_elses_scrape(gateway: Gateway) -> None:
    """A scrape that several wait for goes on when the first one leaves."""
    first = asyncio.create_task(gateway.fetch("GET", "/metrics"))
    others = [asyncio.create_task(scraped(gateway)) for _ in range(20)]
    await asyncio.sleep(0)
    first.cancel()

    assert all(each.value("python_info") == 1 for each in await asyncio.gather(*others))


@pytest.mark.parametrize("accept", ["", OPEN_METRICS])
async def test_off_only_the_process_is_shown(
    settings: GatewaySettings, start_gateway: StartGateway, job: str, accept: str
) -> None:
    """With METRICS=off nothing is counted, and the path still answers."""
    gateway = await start_gateway(replace(settings, metrics=False))
    await gateway.begin(job)
    found = await scraped(gateway, accept)

    assert found.value("process_resident_memory_bytes") > 0
    assert not [name for name in found.families if name.startswith("durable_http")]
