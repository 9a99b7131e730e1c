"""A small healthy load: a `checkout` every three seconds, from clients that do as they should."""

from __future__ import annotations

import math
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from tests.support.processes import call

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.support.faults.history import History
    from tests.support.processes import Answer

PERIOD_SECONDS: Final = 3.0
"""Seconds between two begins: 20 a minute."""

OWN_SECONDS: Final = 5.0
"""Seconds of a `checkout` by itself: five steps of a second."""

PATIENCE_SECONDS: Final = 60.0
"""Seconds after which a client gives an execution up."""

AGAIN_SECONDS: Final = 1.0
"""What `Retry-After` says."""


@dataclass
class HealthyLoad:
    """Clients of executions that do nothing unusual; `taken` has the time of each that ended.

    The time is the client's: from its first begin to the answer that says `done`.
    """

    urls: Sequence[str]
    history: History
    prefix: str
    begun: int = 0
    taken: list[float] = field(default_factory=list)

    def run(self, seconds: float) -> None:
        """Begin executions for this time, and return once all have ended or were given up."""
        threads = []
        start = time.monotonic()
        for number in range(math.ceil(seconds / PERIOD_SECONDS)):
            time.sleep(max(0.0, start + number * PERIOD_SECONDS - time.monotonic()))
            thread = threading.Thread(target=self._client, args=(number,))
            thread.start()
            threads.append(thread)
        time.sleep(max(0.0, start + seconds - time.monotonic()))
        for thread in threads:
            thread.join()

    def _client(self, number: int) -> None:
        id, url = f"{self.prefix}-{number}", self.urls[number % len(self.urls)]
        began, at = time.monotonic(), time.time()
        end = began + PATIENCE_SECONDS
        self.begun += 1
        begin = f"{url}/begin?id={id}&function=checkout"
        answer = _until(lambda: call(begin, "POST", {"pace": OWN_SECONDS / 5}), end)
        status = answer.status if answer is not None else 0
        self.history.note("begin", id=id, at=at, status=status, own=OWN_SECONDS)
        wait = f"{url}/wait?id={id}&include=steps&wait=20s"
        while time.monotonic() < end:
            answer = _until(lambda: call(wait, timeout=30), end)
            if answer is not None and self.history.note_read(id, answer):
                self.taken.append(time.monotonic() - began)
                return


def _until(request: Callable[[], Answer], end: float) -> Answer | None:
    """Repeat a request until it is answered with anything but a refusal for the moment."""
    while time.monotonic() < end:
        try:
            answer = request()
        except OSError:
            answer = None
        if answer is not None and answer.status not in {429, 503}:
            return answer
        time.sleep(AGAIN_SECONDS)
    return None
