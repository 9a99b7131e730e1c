"""The OpenAPI document describes exactly the routes that exist."""

from __future__ import annotations

import re
import tomllib
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import jsonschema_rs
import orjson
import pytest
from openapi_spec_validator import validate

from gateway.http.auth import is_open_path
from gateway.openapi.document import VERSION
from gateway.openapi.parts import DETAILS
from gateway.openapi.schemas import PROBLEMS
from shared import durations
from shared.settings import WebhookSettings
from tests.support.catalog import CATALOG
from tests.support.gateway.answers import JSON
from tests.support.gateway.documents import examples, operations, published
from tests.support.gateway.played_worker import resolve

if TYPE_CHECKING:
    from gateway.settings import GatewaySettings
    from shared.resonate.store import Store
    from tests.support.gateway.client import Gateway, StartGateway

TOKEN: Final = "0123456789abcdef"

OF_THE_PAGE: Final = ("/dashboard/live", "/dashboard/state", "/dashboard/{file}")
"""Routes for the page at / alone, which change with it."""


@pytest.mark.parametrize("secured", [False, True])
def test_the_document_is_valid(*, secured: bool) -> None:
    """Each form of the document is OpenAPI 3.1."""
    validate(published(secured=secured))


async def test_the_document_has_the_routes_that_there_are(gateway: Gateway) -> None:
    """No route is missing from the document and none is made up; HEAD goes with GET.

    The routes of the page at / are no part of the API.
    """
    served = {
        (route.method, route.resource.canonical)
        for route in gateway.app.router.routes()
        if route.resource is not None
    }
    described = {(method, path) for method, path, _ in operations(published())}
    described |= {("GET", path) for path in OF_THE_PAGE}
    heads = {("HEAD", path) for method, path in described if method == "GET"}

    assert served == described | heads
    assert not set(OF_THE_PAGE) & set(published()["paths"])


async def test_the_index_and_the_document_agree(gateway: Gateway) -> None:
    """Every link of the index is a path of the document."""
    links = (await gateway.ask("GET", "/")).body["links"].values()

    assert set(links) <= set(published()["paths"])


@pytest.mark.parametrize(
    ("where", "schema", "value"),
    [pytest.param(*example, id=example[0]) for example in examples(published())],
)
def test_an_example_fits_its_schema(where: str, schema: Any, value: Any) -> None:
    """Every example fits its schema."""
    whole = {**schema, "components": published()["components"]}

    jsonschema_rs.validate(whole, value, validate_formats=True)


async def test_headers_that_are_sent_are_described(
    gateway: Gateway, store: Store, job: str
) -> None:
    """Every header of an answer of /begin, /wait and /result is described for its status."""
    found, names = published(), set(published()["components"]["headers"]) | {"Location"}
    prefer, stale = {"Prefer": "wait=1"}, {"If-None-Match": "*"}

    async def check(method: str, path: str, headers: dict[str, str]) -> None:
        answer = await gateway.ask(method, path, None, headers)
        route = found["paths"][path.partition("?")[0]][method.lower()]
        described = set(route["responses"][str(answer.status)]["headers"])
        assert {name for name in names if name in answer.headers} <= described, (method, path)

    for _ in ("pending", "ended"):
        await check("POST", f"/begin?id={job}", {})
        await check("POST", f"/begin?id={job}", prefer)
        for read in (f"/wait?id={job}", f"/result?id={job}"):
            await check("GET", read, {})
            await check("GET", read, stale)
        await check("GET", f"/wait?id={job}&wait=1s", prefer)
        await check("GET", f"/wait?id={job}", {**prefer, **stale})
        await resolve(store, job)


def test_every_reference_leads_somewhere() -> None:
    """Every reference has its target, and every component is referred to."""
    found = published()
    text = orjson.dumps(found).decode()
    used = set(re.findall(r'"#/components/(\w+)/([^"]+)"', text))
    there = {(kind, name) for kind in ("schemas", "headers") for name in found["components"][kind]}
    # Problems of requests that are no operation; the document's description names these two.
    apart = {("schemas", f"problem-{slug}") for slug in ("not-found", "method-not-allowed")}

    assert used | apart | {("headers", "Allow")} == there


def test_every_problem_is_described() -> None:
    """Each problem of the table has a schema that allows only its status and title."""
    schemas = published()["components"]["schemas"]

    for slug, problem in PROBLEMS.items():
        properties = schemas[f"problem-{slug}"]["properties"]
        assert properties["status"]["const"] == problem.status
        assert properties["title"]["const"] == problem.title
    assert set(DETAILS) <= set(PROBLEMS)


@pytest.mark.parametrize("name", CATALOG.functions)
def test_the_catalog_is_in_the_document(name: str) -> None:
    """A function is named with its summary, and its input has the schema it is held to."""
    found = published()
    schemas = found["components"]["schemas"]
    (parameter,) = (
        each
        for each in found["paths"]["/begin"]["post"]["parameters"]
        if each["name"] == "function"
    )

    assert name in schemas["function"]["enum"]
    assert CATALOG.functions[name].summary in parameter["description"]
    assert schemas[f"input-{name}"].items() >= dict(CATALOG.functions[name].input_schema).items()
    assert schemas[f"input-{name}"]["description"] == CATALOG.functions[name].summary


def test_the_pattern_of_durations_is_their_grammar() -> None:
    """The document's pattern for durations accepts exactly what the service accepts."""
    numbers = ("", "0", "1", "123456", "1234567", "123456789", "1234567890", "\u0661")
    texts = {f"{number}{unit}" for number, unit in product(numbers, ("", *"smhdSw"))}
    parts = [[f"{number}{unit}" if number else "" for number in numbers[:6]] for unit in "DHMS"]
    for day, *clock in product(*parts):
        texts |= {f"P{day}T{''.join(clock)}", f"P{day}{''.join(clock)}"}

    def parsed(text: str) -> bool:
        try:
            return durations.parse(text) >= 0
        except ValueError:
            return False

    grammar = re.compile(durations.PATTERN)
    assert {text for text in texts if grammar.search(text)} == set(filter(parsed, texts))


def test_the_version_is_the_projects() -> None:
    """The document names the version that is built."""
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())

    assert project["project"]["version"] == VERSION


async def test_the_document_is_served(gateway: Gateway) -> None:
    """The answer is the document as JSON, and a 304 for a client that sends its ETag."""
    answer = await gateway.ask("GET", "/openapi.json")
    etag = answer.headers["ETag"]
    again = await gateway.ask("GET", "/openapi.json", None, {"If-None-Match": etag})

    assert (answer.status, answer.body) == (200, published(secured=False, webhooks=False))
    assert answer.headers["Content-Type"] == JSON
    assert (again.status, again.body, again.headers["ETag"]) == (304, None, etag)


async def test_the_document_asks_for_a_token_where_the_gateway_does(
    settings: GatewaySettings,
    start_gateway: StartGateway,
) -> None:
    """With tokens, routes that need one say so in the document, and answer 401 without it."""
    secured = replace(settings, tokens=(TOKEN,), webhooks=WebhookSettings("whsec_" + "A" * 44))
    gateway = await start_gateway(secured)
    found = (await gateway.ask("GET", "/openapi.json")).body
    asked = {
        (method, path): (await gateway.fetch(method, path))[0]
        for method, path, _ in operations(found)
    }

    assert found == published()
    assert list(found["components"]["securitySchemes"]) == ["bearer"]
    for method, path, operation in operations(found):
        closed = not is_open_path(path)
        assert (asked[method, path] == 401) is closed
        assert operation.get("security") == ([{"bearer": []}] if closed else None)
        assert ("401" in operation["responses"]) is closed
    assert "securitySchemes" not in published(secured=False)["components"]


@pytest.mark.parametrize("webhooks", [False, True])
def test_a_callback_can_be_asked_for_where_there_are_webhooks(*, webhooks: bool) -> None:
    """The parameter `callback` is described only where webhooks can be signed."""
    begin = published(webhooks=webhooks)["paths"]["/begin"]["post"]

    assert ("callback" in [each["name"] for each in begin["parameters"]]) is webhooks
