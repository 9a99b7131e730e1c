"""A client of event streams, for tests: reads them the way a browser does."""

from __future__ import annotations

import contextlib
import http.client
import time
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True)
class Event:
    """One event; `at` is when it arrived, in seconds of the monotonic clock."""

    id: str
    name: str
    data: Any
    at: float = 0.0

    @property
    def content(self) -> tuple[str, str, Any]:
        """The parts of an event that are equal in every stream."""
        return self.id, self.name, self.data


class Parser:
    """Takes the lines of a stream; keeps events, comments and the pause that it asks for."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.comments: list[str] = []
        self.retry: int | None = None
        self._fields: dict[str, str] = {}

    @property
    def content(self) -> list[tuple[str, str, Any]]:
        """The contents of the events so far."""
        return [event.content for event in self.events]

    def take(self, lines: Iterable[bytes]) -> None:
        for raw in lines:
            line = raw.decode().rstrip("\r\n")
            name, _, value = line.partition(":")
            if not line:
                self._dispatch()
            elif not name:
                self.comments.append(value.strip())
            elif name == "retry":
                self.retry = int(value)
            else:
                self._fields[name] = value.removeprefix(" ")

    def drop_partial(self) -> None:
        """Forget the fields of an event whose end did not come."""
        self._fields = {}

    def _dispatch(self) -> None:
        fields, self._fields = self._fields, {}
        if fields:
            data = orjson.loads(fields["data"])
            self.events.append(Event(fields["id"], fields["event"], data, time.monotonic()))


def read_stream(url: str, last: str | None = None, *, cut_after: int = 10**9) -> Parser:
    """Read a stream to its end, or until it breaks off or has sent `cut_after` events.

    `last` is the id of the event to go on after.
    """
    parser = Parser()
    headers = {} if last is None else {"Last-Event-ID": last}
    request = urllib.request.Request(url, headers=headers)
    with (
        contextlib.suppress(OSError, http.client.HTTPException),
        urllib.request.urlopen(request, timeout=30) as response,
    ):
        for line in response:
            parser.take([line])
            if len(parser.events) >= cut_after:
                break
    return parser
