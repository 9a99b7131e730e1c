"""Gateways that a test scripts, and what tells them of a worker."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING, Final, Self

from shared.presence import Address, Claimed, Hello, Lines, Running, Welcome, from_worker, line_of
from tests.support.processes import wait_until
from worker.presence.presence import Presence
from worker.tasks.claims import Claim

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from shared.presence import FromWorker, OfferName

HELLO: Final = Hello("secret-of-a-test", "worker-1", "pid-1", "worker", 16, 0, {"foo": [1]})

WELCOME: Final = line_of(Welcome("gateway", []))


class Connection:
    """What one connection of a worker has brought. `lost` says how it ended, once it has."""

    def __init__(self, connection: socket.socket, gateway: ScriptedGateway) -> None:
        self.messages: list[FromWorker] = []
        self.lost: str | None = None
        self._gateway = gateway
        self._socket = connection
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def told(self, kind: type[FromWorker]) -> list[FromWorker]:
        """Return the messages of a kind, in order."""
        return [message for message in list(self.messages) if isinstance(message, kind)]

    def say(self, data: bytes) -> None:
        self._socket.sendall(data)

    def hang_up(self, how: int = socket.SHUT_RDWR) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(how)

    def close(self) -> None:
        self.hang_up()
        self._thread.join(10)
        self._socket.close()

    def _run(self) -> None:
        lines = Lines()
        try:
            while self._gateway.reads.wait(30) and (data := self._socket.recv(65536)):
                for line in lines.add(data):
                    self._hear(from_worker.decode(line))
            self.lost = "in order"
        except OSError as error:
            self.lost = type(error).__name__

    def _hear(self, message: FromWorker) -> None:
        self.messages.append(message)
        if isinstance(message, Hello):
            self.say(self._gateway.answer)
            if self._gateway.hangs_up:
                self.hang_up()


class ScriptedGateway:
    """Listens, gives each greeting its `answer`, and records what it is told while `reads` is set.

    With `hangs_up` it closes each connection after the answer.
    """

    def __init__(
        self,
        answer: bytes = WELCOME,
        *,
        hangs_up: bool = False,
        port: int = 0,
        host: str = "127.0.0.1",
    ) -> None:
        self.answer = answer
        self.hangs_up = hangs_up
        self.reads = threading.Event()
        self.reads.set()
        self.connections: list[Connection] = []
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, port), family=family, backlog=64)
        self.address = Address(host, self._listener.getsockname()[1])
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join(10)
        self._listener.close()
        self.reads.set()
        for connection in self.connections:
            connection.close()

    def connection(self, number: int = 1) -> Connection:
        """Wait for a connection, the first or a later one, and return it."""
        what = f"connection {number}"
        wait_until(lambda: len(self.connections) >= number, what=what)
        return self.connections[number - 1]

    def restated(self, number: int = 1) -> Connection:
        """Wait until all was told on a connection, and return it."""
        found = self.connection(number)
        wait_until(lambda: is_complete(found.messages), what="what there is to say")
        return found

    def _run(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                self.connections.append(Connection(self._listener.accept()[0], self))


def is_complete(messages: Iterable[FromWorker]) -> bool:
    """Return whether a gateway was told all that there is to say at least once."""
    return any(line_of(message) == b'["restated",true]\n' for message in list(messages))


@contextlib.contextmanager
def presence_at(
    *addresses: Address,
    offers: Callable[[], Iterable[OfferName]] = list,
    lease_seconds: float = 60.0,
) -> Iterator[Presence]:
    """Yield what tells the gateways at these addresses, until the block ends."""
    presence = Presence(addresses, HELLO, offers, lease_seconds)
    presence.start()
    try:
        yield presence
    finally:
        presence.close()
        presence._thread.join(10)


def tell_claim(presence: Presence, task: str, counter: int = 1) -> None:
    """Tell of a claim of a task, as `Leases` does."""
    presence.claimed(Claim(task, counter, f"of-{task}"))


def tell_step(presence: Presence, task: str, counter: int = 1, step: str = "step") -> None:
    """Tell that a step runs under a claim."""
    presence.running(Claim(task, counter, f"of-{task}", step=step))


def tell_end(presence: Presence, task: str, counter: int = 1) -> None:
    """Tell that a claim is over."""
    presence.ended(Claim(task, counter, f"of-{task}"))


def running(task: str, counter: int = 1, step: str = "step") -> Running:
    """Return what a gateway is told of a step."""
    return Running(task, counter, 1, None, step, is_retried=False, reports=False)


def claimed(task: str, counter: int = 1) -> Claimed:
    """Return what a gateway is told of a claim."""
    return Claimed(task, counter, f"of-{task}")
