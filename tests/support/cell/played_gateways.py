"""Gateways that only say which of them was asked, and how."""

from __future__ import annotations

import contextlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway.cells.hash_slots import SlotMap

OK: Final = '{"presence":"on","status":"ok"}'
DEGRADED: Final = '{"presence":"on","status":"degraded","detail":"server: it does not answer"}'


class PlayedGateway:
    """A gateway of a cell. `ready` is what it says at /readyz.

    `maps` are those that it says at /cells, each once, and the last one from then on.
    """

    def __init__(self, cell: str) -> None:
        self.cell = cell
        self.ready = OK
        self.maps: list[SlotMap] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def start(self) -> None:
        self._thread.start()

    def end(self) -> None:
        if self._thread.is_alive():
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()

    def said_map(self) -> dict[str, object]:
        """Return what is said at /cells."""
        slots = self.maps.pop(0) if len(self.maps) > 1 else self.maps[0]
        return {"cell": self.cell, "generation": slots.generation, "digest": slots.digest}

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        gateway = self

        class Handler(BaseHTTPRequestHandler):
            wbufsize = -1  # one write for the whole answer

            def do_GET(self) -> None:
                said: dict[str, object] = {"cell": gateway.cell, "hop": self.headers["X-Cell-Hop"]}
                if self.path == "/cells":
                    said = gateway.said_map()
                text = gateway.ready if self.path == "/readyz" else json.dumps(said)
                body = text.encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_GET  # noqa: N815

            def log_message(self, format: str, *args: object) -> None:
                """Write nothing."""

        return Handler


@contextlib.contextmanager
def played_gateways(*cells: str) -> Iterator[dict[str, PlayedGateway]]:
    """Run a gateway of each cell until the block ends."""
    gateways = {cell: PlayedGateway(cell) for cell in cells}
    for gateway in gateways.values():
        gateway.start()
    try:
        yield gateways
    finally:
        for gateway in gateways.values():
            gateway.end()
