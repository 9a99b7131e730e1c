"""What is told of each thing that workers say, as it happens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from gateway.presence.workers import Held, Worker

type Ending = Literal["dead", "vanished", "stopped"]
"""How a worker's last connection has ended: with its process; with its host, which does not answer;
or in order."""


class Observer(Protocol):
    """Is called for each message in the connection's own time, so it is quick and raises nothing.

    What a worker tells anew after it was cut off is no news.
    """

    def entered(self, worker: Worker) -> None:
        """Take note of a worker that has a connection, also of a further one."""
        ...

    def claimed(self, held: Held, previous: Held | None) -> None:
        """Take note of a claim; `previous` is the latest one of the execution that was known."""
        ...

    def ran(self, held: Held) -> None:
        """Take note that `held.running` is new."""
        ...

    def ended(self, held: Held) -> None:
        """Take note that a claim is over."""
        ...

    def left(self, worker: Worker, ending: Ending, at: float) -> None:
        """Take note of a worker that has ended with what it holds, when by the monotonic clock."""
        ...
