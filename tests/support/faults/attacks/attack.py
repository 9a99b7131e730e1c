"""What an attack is: bounded bouts against a service that the test has started."""

from __future__ import annotations

import json
import socket
import threading
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from tests.support.processes import Answer
from tests.support.stack import INVOKE

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
    from pathlib import Path

    from tests.support.stack import Stack

REFUSED: Final = frozenset({429, 503})
"""Statuses by which a gateway under attack refuses a request for the moment."""

ANSWER_SECONDS: Final = 15.0
POLL_SECONDS: Final = 0.25


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


@dataclass(frozen=True)
class Attack:
    """A kind of attack: its name, its bout, and the seconds from one bout's begin to the next's."""

    name: str
    every: float
    bout: Callable[[Bout], None]


@dataclass
class Bout:
    """One bout: its own ids, its own random numbers, and the requests that it makes.

    An ordinary request that is not answered is counted in `unanswered`; whether the service lives
    is for the healthy load to show.
    """

    target: Target
    random: random.Random
    prefix: str
    unanswered: int = 0
    _open: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        """One of the gateways."""
        return self.random.choice(self.target.urls)

    @property
    def address(self) -> tuple[str, int]:
        """Host and port of one of the gateways."""
        host, _, port = self.url.removeprefix("http://").partition(":")
        return host, int(port)

    def ids(self, count: int) -> list[str]:
        return [f"{self.prefix}-{n}" for n in range(count)]

    # Requests.

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

    # Executions.

    def begin(self, id: str, function: str, body: object = None, **parameters: str) -> None:
        """Begin a function of the catalog."""
        query = urlencode({"id": id, "function": function, **parameters})
        self._open.append(id)
        self.call(f"/begin?{query}", "POST", json.dumps(body).encode(), expect={200, 202})

    def create(self, id: str, function: str, value: object = None, seconds: float = 120) -> None:
        """Begin a function that is in no catalog."""
        self._open.append(id)
        self.target.stack.create(id, function, value, seconds)

    def create_raw(self, id: str, call: str) -> None:
        """Store an execution whose call is this text."""
        self._open.append(id)
        with self.target.stack.store() as store:
            until = int((time.time() + 60) * 1000)
            store.promises.create(id, until, ikey=id, data=call, tags=INVOKE)

    def state(self, id: str) -> dict[str, Any]:
        """Return what /wait says of an execution, or nothing."""
        answer = self.call(f"/wait?id={id}", expect={200, 404})
        return answer.body if answer is not None and answer.status == 200 else {}

    def cancel(self, id: str) -> None:
        self.call(f"/cancel?id={id}", "POST", expect={200, 404, 409})

    def ended(self, id: str, seconds: float) -> dict[str, Any]:
        """Wait for an execution's end and return its state; raise `Broken` if it does not come."""
        state: dict[str, Any] = {}
        for _ in self.during(seconds, POLL_SECONDS):
            state = self.state(id) or state
            if state.get("done"):
                self._open.remove(id)
                return state
        if self.target.over.is_set():
            return {}
        raise Broken(f"{id} did not end within {seconds:g} s: {state.get('phase')}")

    def ends_with(self, id: str, seconds: float, *types: str) -> None:
        """Check that an execution ends with an error of one of these types, if it ends in time."""
        state = self.ended(id, seconds)
        type = (state.get("error") or {}).get("type")
        if state and type not in types:
            raise Broken(f"{id} ended {state['status']} with {type}, not {' or '.join(types)}")

    def ends_rejected(self, id: str, seconds: float) -> None:
        """Check that an execution ends as rejected, if it ends in time."""
        state = self.ended(id, seconds)
        if state and state["status"] != "rejected":
            raise Broken(f"{id} ended {state['status']}, not rejected")

    def is_rejected_in_store(self, id: str, seconds: float) -> None:
        """Check the end of an execution that is none to a gateway, since its call is unreadable."""
        state = ""
        with self.target.stack.store() as store:
            for _ in self.during(seconds, POLL_SECONDS):
                state = store.promises.get(id).state
                if state == "REJECTED":
                    self._open.remove(id)
                    return
        if not self.target.over.is_set():
            raise Broken(f"{id} is {state} after {seconds:g} s, not rejected")

    # Time.

    def pause(self, seconds: float) -> None:
        self.target.over.wait(seconds)

    def during(self, seconds: float, period: float) -> Iterator[None]:
        """Yield once a period until the time or the run is over, at least once."""
        end = time.monotonic() + seconds
        while True:
            yield
            if time.monotonic() >= end or self.target.over.wait(period):
                return

    def close(self) -> None:
        """Cancel what has not ended, so that a bout leaves nothing running."""
        for id in self._open:
            self.cancel(id)


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
