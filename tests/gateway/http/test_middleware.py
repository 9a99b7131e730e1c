"""What holds on every route: paths, methods, request ids and errors."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, Final

import pytest
from aiohttp import web

from gateway.app import create_app
from gateway.catalog.file import serve
from gateway.http.server import Runner
from tests.support.catalog import CATALOG
from tests.support.gateway.answers import assert_problem

if TYPE_CHECKING:
    from gateway.settings import GatewaySettings
    from tests.support.gateway.client import Gateway, StartGateway

NOTHING: Final = "No such path; GET / lists all."
METHOD: Final = "Use a method that the Allow header names."


@pytest.mark.parametrize(
    "path",
    ["/nope", "/begin/", "/begin/x", "/Begin", "//begin", "/wait/job-1", "/..%2F", "/%00", "/a.b"],
)
async def test_an_unknown_path_is_a_problem(offline: Gateway, path: str) -> None:
    """An unknown path is a 404 of another type than an unknown id."""
    answer = await offline.ask("GET", path)

    assert_problem(answer, "not-found", answer.body["instance"], NOTHING)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/begin", {"POST"}),
        ("HEAD", "/begin", {"POST"}),
        ("PUT", "/begin", {"POST"}),
        ("DELETE", "/begin", {"POST"}),
        ("OPTIONS", "/begin", {"POST"}),
        ("POST", "/wait", {"GET", "HEAD"}),
        ("DELETE", "/wait", {"GET", "HEAD"}),
        ("PATCH", "/wait", {"GET", "HEAD"}),
        ("POST", "/healthz", {"GET", "HEAD"}),
        ("POST", "/readyz", {"GET", "HEAD"}),
        ("POST", "/", {"GET", "HEAD"}),
        ("TRACE", "/wait", {"GET", "HEAD"}),
    ],
)
async def test_a_wrong_method_is_answered_with_the_right_ones(
    offline: Gateway, method: str, path: str, allowed: set[str]
) -> None:
    """A method that a path does not take is a 405 with `Allow`, and does nothing."""
    answer = await offline.ask(method, path)

    assert answer.status == 405
    assert set(answer.headers["Allow"].replace(" ", "").split(",")) == allowed
    if method != "HEAD":
        assert_problem(answer, "method-not-allowed", path, METHOD)


@pytest.mark.parametrize("path", ["/wait?id={job}", "/healthz", "/readyz", "/", "/openapi.json"])
async def test_head_is_get_without_a_body(gateway: Gateway, job: str, path: str) -> None:
    """HEAD works where GET does, with the same status and headers."""
    await gateway.begin(job)
    target = path.format(job=job)
    own = {"X-Request-Id": job}

    got, head = (
        await gateway.ask("GET", target, headers=own),
        await gateway.ask("HEAD", target, headers=own),
    )

    assert (head.status, head.body) == (got.status, None)
    assert _without_date(head.headers) == _without_date(got.headers)


async def test_head_of_an_unknown_id_is_unknown(gateway: Gateway, job: str) -> None:
    """HEAD has the status of GET for errors too."""
    answer = await gateway.ask("HEAD", f"/wait?id={job}")

    assert (answer.status, answer.body) == (404, None)
    assert answer.headers["Error-Source"] == "gateway"


@pytest.mark.parametrize("given", ["r", "7f3a-11", "a.b_c:d/e+f=g", "x" * 128])
@pytest.mark.parametrize("target", ["/healthz", "/nope", "/wait?id=a.b"])
async def test_a_sane_request_id_comes_back(offline: Gateway, given: str, target: str) -> None:
    """Every answer carries the client's request id, a problem in its body too."""
    answer = await offline.ask("GET", target, headers={"X-Request-Id": given})

    assert answer.headers["X-Request-Id"] == given
    assert answer.status == 200 or answer.body["request_id"] == given


@pytest.mark.parametrize("given", [None, "", " ", "a b", "x" * 129, "é", "<b>", 'a"', "a;b", "a,b"])
async def test_any_other_request_id_is_replaced(offline: Gateway, given: str | None) -> None:
    """A missing request id, or one that could do harm in a log, is replaced by a new id."""
    headers = {} if given is None else {"X-Request-Id": given}

    ids = [(await offline.ask("GET", "/healthz", headers=headers)).headers for _ in range(2)]

    first, second = (answer["X-Request-Id"] for answer in ids)
    assert uuid.UUID(hex=first).hex == first
    assert first != second


async def test_errors_say_where_they_come_from(gateway: Gateway, job: str) -> None:
    """Every refusal carries `Error-Source: gateway`, and no success does."""
    await gateway.begin(job, 1)
    refused = [
        await gateway.begin(job, 2),
        await gateway.begin(job, b"{"),
        await gateway.begin(job, function="nope"),
        await gateway.begin("a.b"),
        await gateway.wait(f"{job}-unknown"),
        await gateway.ask("GET", "/begin"),
        await gateway.ask("GET", "/nope"),
    ]
    done = [await gateway.wait(job), await gateway.begin(job, 1), await gateway.ask("GET", "/")]

    assert [answer.status for answer in refused] == [422, 400, 404, 400, 404, 405, 404]
    assert {answer.headers.get("Error-Source") for answer in refused} == {"gateway"}
    assert {answer.headers.get("Error-Source") for answer in done} == {None}


async def test_an_unexpected_error_is_not_shown(
    settings: GatewaySettings, start_gateway: StartGateway
) -> None:
    """An unexpected exception is a 500 that shows nothing but the request's id."""

    async def fail(_: web.Request) -> web.Response:
        raise RuntimeError("secret in /srv/secret.py")

    gateway = await start_gateway(settings, [web.get("/fail", fail)])
    answer = await gateway.ask("GET", "/fail", headers={"X-Request-Id": "seen"})

    assert_problem(
        answer, "internal", "/fail", "Give the request_id to the operator of this service."
    )
    assert answer.body["request_id"] == "seen"


async def test_a_raised_http_error_keeps_its_form(
    settings: GatewaySettings, start_gateway: StartGateway
) -> None:
    """A refusal that aiohttp raises by itself becomes a problem of the same form."""

    async def fail(_: web.Request) -> web.Response:
        raise web.HTTPExpectationFailed(text="secret")

    gateway = await start_gateway(settings, [web.get("/fail", fail)])
    answer = await gateway.ask("GET", "/fail")

    assert answer.body == {
        "type": "/problems/invalid-request",
        "title": "Expectation Failed",
        "status": 417,
        "detail": "Expectation Failed",
        "instance": "/fail",
        "request_id": answer.headers["X-Request-Id"],
    }


def _without_date(headers: Any) -> dict[str, str]:
    return {key: value for key, value in headers.items() if key != "Date"}


async def test_a_route_that_would_need_no_token_is_not_served(settings: GatewaySettings) -> None:
    """A gateway does not start with a route that is outside of what surrounds all others."""

    async def bare(_: web.Request) -> web.Response:
        return web.Response()

    app = create_app(settings, serve(CATALOG, settings))
    app.router.add_get("/bare", bare)
    runner = Runner(app, settings)

    with pytest.raises(RuntimeError, match="/bare> was not added by add_routes"):
        await runner.setup()
    await runner.cleanup()
