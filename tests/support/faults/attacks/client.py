"""How attackers make requests: every answer is judged, and one that does not come is counted."""

from __future__ import annotations

import json
import socket
import threading
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from tests.support.processes import Answer

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Collection, Mapping, Sequence
    from pathlib import Path

    from tests.support.stack import Stack

REFUSED: Final = frozenset({429, 503})
"""Statuses by which a gateway under attack refuses a request for the moment."""

ANSWER_SECONDS: Final = 15.0


class Broken(Exception):
    """An attack has seen a promise broken; the text says which."""


@dataclass(frozen=True)
class Target:
    """What is attacked: the service, receivers of webhooks, a directory; `over` ends all waits."""

    stack: Stack
    urls: Sequence[str]
    receivers: Sequence[str]
    directory: Path
    over: threading.Event = field(default_factory=threading.Event)


@dataclass
class Attacker:
    """Makes requests of random gateways.

    An ordinary request that is not answered is counted in `unanswered`; whether the service lives
    is for the healthy load to show.
    """

    target: Target
    random: random.Random
    unanswered: int = field(default=0, init=False)

    @property
    def url(self) -> str:
        """One of the gateways."""
        return self.random.choice(self.target.urls)

    @property
    def address(self) -> tuple[str, int]:
        """Host and port of one of the gateways."""
        host, _, port = self.url.removeprefix("http://").partition(":")
        return host, int(port)

    def call(
        self,
        path: str,
        method: str = "GET",
        data: bytes | None = None,
        *,
        expect: Collection[int] = (),
        headers: Mapping[str, str] | None = None,
    ) -> Answer | None:
        """Make a request; return its answer, or None if none came.

        Raises `Broken` for any other status than those expected (all but 500, if none are named)
        and those of a refusal.
        """
        sent = {"Content-Type": "application/json", **(headers or {})}
        request = urllib.request.Request(self.url + path, data, sent, method=method)
        try:
            answer = _answered(request)
        except (OSError, ValueError):
            self.unanswered += 1
            return None
        self._judge(path, answer.status, expect)
        return answer

    def exchange(self, sent: bytes, *, expect: Collection[int] = ()) -> int | None:
        """Send bytes on a connection of their own; return the status, None without an answer."""
        try:
            with socket.create_connection(self.address, ANSWER_SECONDS) as client:
                client.sendall(sent)
                line = client.recv(64)
        except OSError:
            return None
        if not line.startswith(b"HTTP/1."):
            return None
        status = int(line.split(b" ")[1][:3])
        self._judge(repr(sent[:60]), status, expect)
        return status

    def _judge(self, what: str, status: int, expect: Collection[int]) -> None:
        if status in REFUSED or status in expect or (not expect and status != 500):
            return
        raise Broken(f"{what[:120]} was answered {status}")

    def at_once(self, *calls: Callable[[], Any]) -> list[Any]:
        """Make calls at the same time; return what they return, or raise what one has raised."""
        with ThreadPoolExecutor(len(calls)) as pool:
            return [made.result() for made in [pool.submit(call) for call in calls]]


def _answered(request: urllib.request.Request) -> Answer:
    try:
        with urllib.request.urlopen(request, timeout=ANSWER_SECONDS) as response:
            return Answer(response.status, _json(response.read()), dict(response.headers))
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, _json(error.read()), dict(error.headers))


def _json(raw: bytes) -> Any:
    try:
        return json.loads(raw or b"null")
    except ValueError:
        return None
