"""A gateway inside the test's own loop, and a client that sends exactly what it is given."""

from __future__ import annotations

import asyncio
import io
import time
from typing import TYPE_CHECKING, Any, Protocol

import orjson
import yarl
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer, get_port_socket

from gateway.http.server import BACKLOG, Runner
from tests.support.catalog import CATALOG
from tests.support.processes import Answer

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterable, Mapping

    from structlog.typing import EventDict

    from gateway.settings import GatewaySettings
    from shared.catalog import Catalog


class GatewayServer(TestServer):
    """Serves an application on a free port with the runner and the backlog of production."""

    def __init__(self, app: web.Application, settings: GatewaySettings) -> None:
        super().__init__(app, host=settings.host, socket_factory=self._bind)
        self._settings = settings
        self._listener: socket.socket | None = None

    def _bind(self, host: str, port: int, family: socket.AddressFamily) -> socket.socket:
        self._listener = get_port_socket(host, port, family)
        return self._listener

    async def _make_runner(self, **_: Any) -> Runner:
        return Runner(self.app, self._settings)

    async def start_server(
        self, loop: asyncio.AbstractEventLoop | None = None, **kwargs: Any
    ) -> None:
        await super().start_server(loop, **kwargs)
        assert self._listener is not None
        # aiohttp listens with a short backlog of its own, so that a crowd would have to try again.
        self._listener.listen(BACKLOG)


class Gateway(TestClient[web.Request, web.Application]):
    """A client of one gateway; closing it closes the gateway."""

    async def ask(
        self,
        method: str,
        target: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send a request; `target` goes out as it stands, and no header is added to a body."""
        url = yarl.URL(f"http://{self.host}:{self.port}{target}", encoded=True)
        data = None if body is None else io.BytesIO(body)
        async with self.session.request(method, url, data=data, headers=headers) as response:
            raw = await response.read()
            decoded: Any = orjson.loads(raw) if raw else None
            return Answer(response.status, decoded, response.headers)

    async def fetch(
        self, method: str, path: str, headers: Mapping[str, str] | None = None
    ) -> tuple[int, Any, bytes]:
        """Send a request whose answer need not be JSON; return its status, headers and body."""
        url = f"http://{self.host}:{self.port}{path}"
        async with self.session.request(method, url, headers=headers) as response:
            return response.status, response.headers, await response.read()

    async def begin(self, id: str, body: object = ..., *, function: str = "foo") -> Answer:
        """Begin an execution; the body is JSON, or raw where it is bytes, or absent."""
        target = f"/begin?id={id}&function={function}"
        if body is ...:
            return await self.ask("POST", target)
        raw = body if isinstance(body, bytes) else orjson.dumps(body)
        return await self.ask("POST", target, raw, {"Content-Type": "application/json"})

    async def wait(self, id: str, *include: str) -> Answer:
        """Read an execution, with the parts named in `include`."""
        also = f"&include={','.join(include)}" if include else ""
        return await self.ask("GET", f"/wait?id={id}{also}")

    async def input_of(self, id: str) -> Any:
        """Return the input that is stored with an execution."""
        answer = await self.wait(id, "input")
        assert answer.status == 200, answer
        return answer.body["input"]


class StartGateway(Protocol):
    """The fixture `start_gateway`: starts a gateway, which is closed at the end of the test."""

    async def __call__(
        self,
        settings: GatewaySettings,
        routes: Iterable[web.RouteDef] = (),
        catalog: Catalog = CATALOG,
    ) -> Gateway:
        """Return a client of a new gateway; `routes` are added to the gateway's own."""
        ...


async def logged_requests(log: list[EventDict], count: int) -> list[EventDict]:
    """Wait until at least `count` requests are logged, and return their lines."""
    async with asyncio.timeout(5):
        while True:
            lines = [line for line in log if line["event"] == "request"]
            if len(lines) >= count:
                return lines
            await asyncio.sleep(0.005)


async def until(condition: Callable[[], Any], seconds: float = 30.0) -> Any:
    """Return the first truthy value of the condition, which is evaluated in a thread."""
    end = time.monotonic() + seconds
    while not (value := await asyncio.to_thread(condition)):
        assert time.monotonic() < end, f"the condition is not true after {seconds:g} s"
        await asyncio.sleep(0.02)
    return value
