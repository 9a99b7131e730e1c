"""What an attack is: bounded bouts against a service that the test has started."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from tests.support.faults.attacks.client import Attacker, Broken
from tests.support.stack import INVOKE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

POLL_SECONDS: Final = 0.25


@dataclass(frozen=True)
class Attack:
    """A kind of attack: its name, its bout, and the seconds from one bout's begin to the next's."""

    name: str
    every: float
    bout: Callable[[Bout], None]


@dataclass
class Bout(Attacker):
    """One bout: its own ids, its own random numbers, and the executions that it begins."""

    prefix: str
    _open: list[str] = field(default_factory=list, init=False)

    def ids(self, count: int) -> list[str]:
        return [f"{self.prefix}-{n}" for n in range(count)]

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
