"""GET /functions: what can be begun."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from shared.catalog import Catalog, Function
from tests.support.gateway.answers import JSON

if TYPE_CHECKING:
    from gateway.settings import GatewaySettings
    from tests.support.gateway.client import Gateway, StartGateway

SCHEMA: Final = {"type": "object", "properties": {"<b>": {"const": "</script>"}}}

FUNCTIONS: Final = Catalog.of(
    Function("ship", 1, "Ships."),
    Function("checkout", 1, "The first one."),
    Function(
        *("checkout", 3, "Charges and ships."),
        timeout_seconds=60,
        default_input={"pace": 1},
        input_schema=SCHEMA,
        signals=("approval",),
    ),
    Function("hidden", 2, "Only executions begin it.", private=True),
    default="checkout",
)


async def test_functions_are_listed_with_their_newest_version(
    settings: GatewaySettings, start_gateway: StartGateway
) -> None:
    """Each function that a client can begin is there once, in order, and all its versions."""
    gateway = await start_gateway(settings, catalog=FUNCTIONS)
    answer = await gateway.ask("GET", "/functions")

    assert (answer.status, answer.headers["Content-Type"]) == (200, JSON)
    assert answer.body == {
        "default": "checkout",
        "functions": [
            {
                "name": "checkout",
                "version": 3,
                "versions": [1, 3],
                "summary": "Charges and ships.",
                "timeout_seconds": 60.0,
                "default_input": {"pace": 1},
                "input_schema": SCHEMA,
                "signals": ["approval"],
            },
            {
                "name": "ship",
                "version": 1,
                "versions": [1],
                "summary": "Ships.",
                "timeout_seconds": None,
                "default_input": None,
                "input_schema": {},
                "signals": [],
            },
        ],
    }


async def test_functions_are_sent_once(gateway: Gateway) -> None:
    """A client that has the list of this catalog is told so."""
    answer = await gateway.ask("GET", "/functions")

    again = await gateway.ask("GET", "/functions", None, {"If-None-Match": answer.headers["ETag"]})

    assert (again.status, again.body) == (304, None)


async def test_each_gateway_has_its_own_functions(
    settings: GatewaySettings, start_gateway: StartGateway
) -> None:
    """What was made of one catalog is not sent for another."""
    few = await start_gateway(settings, catalog=Catalog.of(Function("only", 1, "")))
    many = await start_gateway(settings, catalog=FUNCTIONS)

    async def names(gateway: Gateway) -> list[str]:
        found = (await gateway.ask("GET", "/functions")).body["functions"]
        return [each["name"] for each in found]

    assert await names(few) == ["only"]
    assert await names(many) == ["checkout", "ship"]
    assert await names(few) == ["only"]
