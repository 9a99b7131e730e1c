"""A page's stream in the test's own loop, and a board that observes played workers."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from gateway.dashboard.board import Board
from gateway.dashboard.counts import Numbers
from gateway.dashboard.snapshot import Snapshots
from gateway.presence.recoveries import Recoveries
from gateway.presence.workers import Workers
from tests.support.gateway.streams import Stream, opened

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.support.gateway.client import Gateway


@dataclass
class Scene:
    """Workers, and what is seen of them at the time `now`."""

    now: float = 1_000.0
    workers: Workers = field(default_factory=Workers)

    def __post_init__(self) -> None:
        self.recoveries = Recoveries(lambda: self.now)
        self.board = Board(self.recoveries, lambda: self.now)
        self.workers.observers += [self.recoveries, self.board]
        self.names: dict[str, str] = {}
        self._snapshots = Snapshots(self.board, self.recoveries, self.names.get)

    @property
    def raw(self) -> bytes:
        """The snapshot as it is sent."""
        return msgspec.json.encode(self._snapshots.make("gateway-1", "ok", "on", Numbers()))

    @property
    def seen(self) -> Any:
        return msgspec.json.decode(self.raw)

    def worker(self, name: str) -> Any:
        """Return what is seen of a worker."""
        (found,) = [each for each in self.seen["workers"] if each["name"] == name]
        return found

    def bar(self, name: str) -> Any:
        """Return the only bar of a worker."""
        (bar,) = self.worker(name)["bars"]
        return bar


class LiveStream(Stream):
    """The page's stream, whose events have no ids; `newest` is the latest snapshot."""

    @property
    def newest(self) -> Any:
        return self.events[-1].data if self.events else None

    def _dispatch(self) -> None:
        if self._fields:
            self._fields["id"] = ""
        super()._dispatch()


@contextlib.asynccontextmanager
async def looking(gateway: Gateway, **headers: str) -> AsyncIterator[LiveStream]:
    """Open the page's stream, and close it when the block ends."""
    async with opened(gateway, "/dashboard/live", LiveStream, headers) as stream:
        yield stream
