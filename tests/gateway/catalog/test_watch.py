"""A gateway whose catalog changes while it runs."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import pytest
import yarl

from gateway.api.keys import CATALOG
from gateway.catalog.file import CatalogFile, serve
from gateway.catalog.watch import CatalogWatch, changes
from gateway.settings import CatalogSettings
from shared.catalog import Catalog, Function, Limits
from shared.resonate.codec import decode_call
from tests.support.catalog import manifest, write_manifest
from tests.support.gateway.answers import assert_problem
from tests.support.gateway.client import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from structlog.typing import EventDict

    from gateway.settings import GatewaySettings
    from shared.resonate.store import Store
    from tests.support.gateway.client import Gateway, StartGateway

TEXT: Final = {"type": "string"}
TYPED: Final = {"Content-Type": "application/json"}
FORMER: Final = Catalog.of(
    Function("order", 1, "Takes anything."), Function("gone", 3, "Goes."), default="order"
)
LATER: Final = Catalog.of(
    Function("order", 2, "Takes texts.", input_schema=TEXT, default_input="none"),
    Function("new", 1, "Comes."),
)


@pytest.fixture(name="path")
def _path(tmp_path: Path) -> Path:
    """Return the path of the file with the former catalog."""
    path = tmp_path / "catalog.json"
    write_manifest(path, FORMER)
    return path


@pytest.fixture(name="watched")
async def _watched(
    settings: GatewaySettings, start_gateway: StartGateway, path: Path, log: list[EventDict]
) -> AsyncIterator[tuple[Gateway, CatalogWatch]]:
    """Yield a gateway that watches the file, and the watch."""
    file = CatalogFile(replace(settings, catalog=CatalogSettings(path)))
    await asyncio.to_thread(file.read)
    gateway = await start_gateway(settings, catalog=FORMER)
    watch = CatalogWatch(file, gateway.app[CATALOG])
    async with watch.running():
        yield gateway, watch


async def logged(log: list[EventDict], event: str, count: int = 1) -> EventDict:
    """Wait for an event that is logged for the n-th time, and return it."""

    def found() -> list[EventDict]:
        return [each for each in log if each["event"] == event]

    await until(lambda: len(found()) >= count)
    return found()[count - 1]


def spoil(path: Path, way: str) -> None:
    """Make a bad file of it."""
    bad = Catalog.of(Function("bad", 1, "Bad.", input_schema={"type": "nope"}))
    if way == "gone":
        path.unlink()
    else:
        path.write_bytes(manifest(LATER)[:-9] if way == "half" else manifest(bad))


async def test_everything_follows_a_new_catalog(
    watched: tuple[Gateway, CatalogWatch],
    store: Store,
    path: Path,
    log: list[EventDict],
    job: str,
) -> None:
    """Begins, lists, checks of inputs, the document and error texts are those of the new file."""
    gateway, _ = watched
    document = (await gateway.ask("GET", "/openapi.json")).headers["ETag"]

    write_manifest(path, LATER)
    line = await logged(log, "catalog changed")

    begun = await gateway.begin(job, "text", function="order")
    stored = await asyncio.to_thread(store.promises.get, job)
    assert (begun.status, decode_call(stored.param.data).version) == (202, 2)
    refused = await gateway.begin(f"{job}-2", 1, function="order")
    assert refused.body["type"] == "/problems/invalid-input"
    known = "Known functions: order, new."
    for method, target in (("POST", "/begin?function=gone"), ("GET", "/list?function=gone")):
        answer = await gateway.ask(method, target)
        assert_problem(answer, "unknown-function", target.partition("?")[0], known)
    missing = f"The parameter function is missing. {known}"
    assert_problem(await gateway.ask("POST", "/begin"), "invalid-request", "/begin", missing)
    assert (await gateway.ask("GET", "/list?function=new")).status == 200
    changed = await gateway.ask("GET", "/openapi.json", None, {"If-None-Match": document})
    assert changed.body["components"]["schemas"]["function"]["enum"] == ["order", "new"]
    assert line == {
        "event": "catalog changed",
        "log_level": "info",
        "added": ["new"],
        "removed": ["gone"],
        "raised": {"order": [1, 2]},
        "default": "none",
    }


async def test_a_request_keeps_the_catalog_with_which_it_began(
    watched: tuple[Gateway, CatalogWatch],
    store: Store,
    path: Path,
    log: list[EventDict],
    job: str,
) -> None:
    """A body that is still on its way is the input of the version that was there before."""
    gateway, _ = watched

    async def body() -> AsyncIterator[bytes]:
        # The gateway has asked for the body, so the request has begun.
        write_manifest(path, LATER)
        await logged(log, "catalog changed")
        yield b'{"no":"text"}'

    url = yarl.URL(f"http://{gateway.host}:{gateway.port}/begin?id={job}")
    async with gateway.session.post(url, data=body(), headers=TYPED, expect100=True) as response:
        assert response.status == 202

    stored = await asyncio.to_thread(store.promises.get, job)
    call = decode_call(stored.param.data)
    assert (call.function, call.version, call.input_json) == ("order", 1, '{"no":"text"}')
    assert (await gateway.begin(f"{job}-2", {"no": "text"}, function="order")).status == 422


@pytest.mark.parametrize("way", ["half", "invalid", "gone"])
async def test_a_bad_file_changes_nothing(
    watched: tuple[Gateway, CatalogWatch], path: Path, log: list[EventDict], way: str
) -> None:
    """The former catalog stays, the fault is logged, and once the file is good it is served."""
    gateway, _ = watched
    spoil(path, way)

    line = await logged(log, "catalog not changed")
    former = await gateway.ask("GET", "/list?function=gone")
    write_manifest(path, LATER)
    await logged(log, "catalog changed")
    later = await gateway.ask("GET", "/list?function=gone")

    assert (former.status, later.status) == (200, 404)
    assert line["log_level"] == "error"
    assert line["reason"].startswith(f"GATEWAY_CATALOG: {path}: ")
    assert [each["event"] for each in log].count("catalog not changed") == 1


async def test_who_is_told_to_look_says_what_was_found(
    watched: tuple[Gateway, CatalogWatch], path: Path, log: list[EventDict]
) -> None:
    """A look that was asked for is logged, also if the content is as it was, or still bad."""
    _, watch = watched

    watch.look_now()
    await logged(log, "catalog unchanged")
    spoil(path, "half")
    await logged(log, "catalog not changed")
    watch.look_now()
    await logged(log, "catalog not changed", 2)


async def test_many_schemas_do_not_hold_the_loop(
    watched: tuple[Gateway, CatalogWatch],
    settings: GatewaySettings,
    path: Path,
    log: list[EventDict],
) -> None:
    """A thousand schemas are compiled while requests are answered."""
    fields = {f"f{n}": {"type": "string", "pattern": f"^[a-z]{{1,{n + 1}}}$"} for n in range(40)}
    schema = {"type": "object", "properties": fields}
    many = Catalog.of(
        *(Function(f"f{n}", 1, "One of many.", input_schema=schema) for n in range(1000))
    )
    start = time.perf_counter()
    await asyncio.to_thread(serve, many, settings)
    whole = time.perf_counter() - start
    changed = asyncio.create_task(logged(log, "catalog changed"))

    write_manifest(path, many)
    longest, last = 0.0, time.perf_counter()
    while not changed.done():
        await asyncio.sleep(0)
        last, before = time.perf_counter(), last
        longest = max(longest, last - before)

    await changed
    assert longest < whole / 2


LIMITS = {"step_timeout_seconds": 60.0, "max_result_bytes": 1024}


def functions(*versions: tuple[str, int], **also: Any) -> Catalog:
    """Return a catalog of functions by name and version; `also` are members of each."""
    return Catalog.of(*(Function(name, version, "One.", **also) for name, version in versions))


def _changes() -> Iterator[tuple[Catalog, Catalog, dict[str, Any]]]:
    """Yield a former and a new catalog, and what is other."""
    one, zero = functions(("one", 1)), functions(("one", 1), default_input=0)
    yield one, one, {}
    yield one, functions(("one", 1), ("two", 1)), {"added": ["two"]}
    yield functions(("one", 1), ("two", 1)), one, {"removed": ["two"]}
    both = functions(("one", 1), ("one", 3))
    yield one, both, {"raised": {"one": [1, 3]}, "older": {"one": [1]}}
    yield both, functions(("one", 3)), {"older": {"one": []}}
    yield one, replace(one, limits=Limits(60.0, 1024)), {"limits": LIMITS}
    yield functions(("one", 3)), one, {"lowered": {"one": [3, 1]}}
    yield one, zero, {"changed": ["one"]}
    yield zero, functions(("one", 1), default_input=False), {"changed": ["one"]}
    yield zero, functions(("one", 1), default_input=0.0), {"changed": ["one"]}
    yield one, replace(one, default="one"), {"default": "one"}
    yield replace(one, default="one"), one, {"default": "none"}


@pytest.mark.parametrize(("former", "new", "found"), [*_changes()])
def test_changes_are_named(former: Catalog, new: Catalog, found: dict[str, Any]) -> None:
    """What is other in a new catalog is said by name, of older versions too."""
    assert changes(former, new) == found
