"""POST /begin as the catalog has it: defaults, timeouts, versions, private functions."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import pytest

from shared.catalog import Catalog, Function
from shared.resonate.codec import Call, decode_call
from tests.support.gateway.answers import assert_problem

if TYPE_CHECKING:
    from gateway.settings import GatewaySettings
    from shared.resonate.store import Store
    from tests.support.gateway.client import Gateway, StartGateway

NAMED: Final = Catalog.of(
    Function("order", 3, "Orders.", default_input={"n": 1.0}, timeout_seconds=90),
    Function("order", 4, "Orders.", default_input={"n": [2.0, None]}, timeout_seconds=100.5),
    Function("order", 2, "Orders."),
    Function("hidden", 1, "Is for other functions.", private=True),
    Function("plain", 1, "Has no default of its own."),
)
KNOWN: Final = "Known functions: order, plain."


@pytest.fixture(name="named")
async def _named(settings: GatewaySettings, start_gateway: StartGateway) -> Gateway:
    """Return a gateway whose catalog has no default."""
    return await start_gateway(settings, catalog=NAMED)


async def offline_answer(
    start_gateway: StartGateway, settings: GatewaySettings, catalog: Catalog, target: str
) -> str:
    """Return the detail of the problem that a gateway with this catalog answers."""
    gateway = await start_gateway(settings, catalog=catalog)
    detail: str = (await gateway.ask("POST", target)).body["detail"]
    return detail


async def call_of(store: Store, id: str) -> Call:
    """Return the call that is stored with an execution."""
    stored = await asyncio.to_thread(store.promises.get, id)
    return decode_call(stored.param.data)


@pytest.mark.parametrize("id", ["", "?id=a-known-id"])
async def test_without_a_default_the_function_must_be_named(named: Gateway, id: str) -> None:
    """A begin without a function is a 400 that names those there are."""
    answer = await named.ask("POST", f"/begin{id}")

    detail = f"The parameter function is missing. {KNOWN}"
    assert_problem(answer, "invalid-request", "/begin", detail)


async def test_the_default_is_begun(
    settings: GatewaySettings, start_gateway: StartGateway, store: Store, job: str
) -> None:
    """A begin without a function begins the default, whichever it is."""
    catalog = Catalog.of(*NAMED.versions.values(), default="plain")
    gateway = await start_gateway(settings, catalog=catalog)

    assert (await gateway.ask("POST", f"/begin?id={job}")).body["function"] == "plain"


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (0, "This service has no functions for clients."),
        (1, "Known functions: f0."),
        (20, f"Known functions: {', '.join(f'f{n}' for n in range(20))}."),
        (1000, f"Known functions: {', '.join(f'f{n}' for n in range(20))} and 980 more."),
    ],
)
async def test_twenty_functions_are_named(
    settings: GatewaySettings, start_gateway: StartGateway, count: int, said: str
) -> None:
    """An answer names the first functions of a large catalog, and says how many there are."""
    functions = [Function(f"f{n}", 1, "One of many.") for n in range(count)]
    catalog = Catalog.of(*functions, Function("hidden", 1, "Hidden.", private=True))

    unknown = await offline_answer(start_gateway, settings, catalog, "/begin?function=none")
    missing = await offline_answer(start_gateway, settings, catalog, "/begin")

    assert (unknown, missing) == (said, f"The parameter function is missing. {said}")


@pytest.mark.parametrize("function", ["hidden", "nothing"])
async def test_a_private_function_does_not_exist_for_clients(
    named: Gateway, job: str, function: str
) -> None:
    """It is answered as a name that does not exist is: with an id, without, and by the list."""
    for method, target in (
        ("POST", f"/begin?function={function}"),
        ("POST", f"/begin?id={job}&function={function}"),
        ("GET", f"/list?function={function}"),
    ):
        answer = await named.ask(method, target)
        assert_problem(answer, "unknown-function", target.partition("?")[0], KNOWN)
    assert (await named.wait(job)).status == 404


async def test_what_was_begun_before_a_function_became_private_is_replayed(
    settings: GatewaySettings, start_gateway: StartGateway, named: Gateway, job: str
) -> None:
    """The same request again is a replay, as for a function that is gone."""
    public = Catalog.of(Function("hidden", 1, "Was public."))
    await (await start_gateway(settings, catalog=public)).begin(job, [1], function="hidden")

    replay = await named.begin(job, [1], function="hidden")

    assert (replay.status, replay.body["created"]) == (202, False)
    assert (await named.begin(job, [2], function="hidden")).status == 404


async def test_the_newest_version_is_stored_with_its_default_input(
    named: Gateway, store: Store, job: str
) -> None:
    """A begin without a body has the newest version's default, its numbers as they were."""
    await named.begin(job, function="order")

    assert await call_of(store, job) == Call("order", 4, '{"n":[2.0,null]}')
    assert (await named.begin(job, {"n": [2, None]}, function="order")).body["created"] is False


@pytest.mark.parametrize(
    ("function", "parameter", "seconds"),
    [
        ("order", "", 101),
        ("order", "&timeout=30s", 30),
        ("order", "&timeout=2h", 7200),
        ("plain", "", 86_400),
    ],
)
async def test_a_function_has_a_timeout_of_its_own(
    named: Gateway, job: str, function: str, parameter: str, seconds: int
) -> None:
    """The deadline is the request's, else the function's in whole seconds, else a day away."""
    before = datetime.now(UTC)
    answer = await named.ask("POST", f"/begin?id={job}&function={function}{parameter}")
    after = datetime.now(UTC)

    deadline = datetime.fromisoformat(answer.body["timeout_at"]) - timedelta(seconds=seconds)
    assert before - timedelta(seconds=1) <= deadline <= after + timedelta(seconds=1)
