"""Attacks on the port for workers of a real gateway, in a process with the loop of production."""

from __future__ import annotations

import contextlib
import resource
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from shared.presence import (
    LINE_BYTES,
    Bye,
    Claimed,
    Restated,
    line_of,
)
from shared.resonate.tasks import TaskState
from tests.support.gateway.presence import (
    ABORT,
    hello_of,
)
from tests.support.processes import Process, wait_until
from tests.support.stack import PRESENCE_SECRET, running_stack
from tests.support.worker.held import Held

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from shared.presence import FromWorker
    from tests.support.stack import Stack


LISTENS: Final = {"PRESENCE_SECRET": PRESENCE_SECRET}


@pytest.fixture(name="gateway", scope="module")
def _gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Yield a service without workers."""
    directory = tmp_path_factory.mktemp("presence")
    with running_stack(directory, workers=0, gateway=LISTENS) as stack:
        yield stack


class Attacked:
    """A gateway's process, measured from `__init__` on."""

    def __init__(self, stack: Stack) -> None:
        (self.process,) = stack.gateways.values()
        self.port: int = self.process.started("workers may connect")["port"]
        self._stack = stack
        self._lines = len(self.process.events())
        self._kilobytes = self._resident()

    def connect(self, data: bytes = b"") -> socket.socket:
        """Connect, and send something, as far as the gateway takes it."""
        connection = socket.create_connection(("127.0.0.1", self.port), 10)
        with contextlib.suppress(ConnectionError):
            connection.sendall(data)
        return connection

    def worker(self, pid: str, *messages: FromWorker) -> socket.socket:
        """Connect as a worker that the gateway welcomes, and say something."""
        connection = self.connect(line_of(hello_of(pid, PRESENCE_SECRET)))
        assert connection.recv(4096).startswith(b'["welcome"')
        with contextlib.suppress(ConnectionError):
            connection.sendall(b"".join(map(line_of, messages)))
        return connection

    def check(self, id: str, *, lines: int, megabytes: int) -> None:
        """Check that clients and workers are answered, and what that took."""
        began = time.monotonic()
        assert self._stack.begin(id).status == 202
        self.worker(f"pid-{id}", Bye()).close()
        assert time.monotonic() - began < 3
        assert (self._resident() - self._kilobytes) / 1024 < megabytes
        logged = self.process.events()[self._lines :]
        assert len([line for line in logged if line["event"] != "request"]) <= lines, logged
        assert [line for line in logged if line["level"] in {"error", "critical"}] == []

    def _resident(self) -> int:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0])


@pytest.fixture(name="attacked")
def _attacked(gateway: Stack) -> Attacked:
    return Attacked(gateway)


@contextlib.contextmanager
def many_files(count: int) -> Iterator[None]:
    """Allow this process so many open files, or skip the test."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < count:
        pytest.skip(f"this process may open {hard} files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, count), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.alone
def test_two_thousand_connections(attacked: Attacked, job: str) -> None:
    """They keep neither clients nor workers out, and no memory."""
    began = time.monotonic()
    with many_files(2500), contextlib.ExitStack() as held:
        for _ in range(2000):
            held.enter_context(attacked.connect())
        assert time.monotonic() - began < 5  # a second for each that the kernel did not keep
        attacked.check(job, lines=3, megabytes=30)


def test_thousands_of_refused_connections(attacked: Attacked, job: str) -> None:
    """They do not fill the log."""
    for number in range(1000):
        for sent in (
            b"x\n",
            line_of(hello_of(f"{number}", "wrong")),
            b'["' + b"x" * 9000 + b'"]\n',
        ):
            attacked.connect(sent).close()

    attacked.check(job, lines=8, megabytes=30)


def test_a_line_of_a_hundred_megabytes(attacked: Attacked, job: str) -> None:
    """The connection is ended soon after the longest line that is taken."""
    with attacked.connect() as connection:
        sent = 0
        with contextlib.suppress(ConnectionError):
            while sent < 100_000_000:
                sent += connection.send(b"x" * 65536)

    assert sent < 20_000_000
    attacked.check(job, lines=3, megabytes=30)


def test_lines_that_never_end(attacked: Attacked, job: str) -> None:
    """However many there are: strangers fill no more than their part of the memory."""
    with many_files(2500), contextlib.ExitStack() as held:
        for _ in range(1000):
            held.enter_context(attacked.connect(b"x" * (LINE_BYTES - 1)))
        attacked.check(job, lines=3, megabytes=2 * 256 * LINE_BYTES // 1024**2)


def test_deep_json(attacked: Attacked, job: str) -> None:
    """It is refused as anything else that is no message, without an error in the log."""
    deep = b'["hello","s","w","p","g",1,1,{},' + b"[" * 100_000 + b"\n"
    for _ in range(50):
        with attacked.connect(deep) as connection, contextlib.suppress(ConnectionError):
            assert connection.recv(4096).startswith(b'["refusal","not understood')

    attacked.check(job, lines=3, megabytes=30)


def test_a_worker_that_claims_without_end(attacked: Attacked, job: str) -> None:
    """Somebody with the secret gets no more than any worker can hold."""
    for number in range(5):
        claims = [Claimed("t" * 1000, count, "e" * 1000) for count in range(10_000)]
        attacked.worker(f"greedy-{number}", *claims).close()

    attacked.check(job, lines=4, megabytes=60)


def test_a_peer_that_never_reads(attacked: Attacked, job: str) -> None:
    """All that a gateway says is one line: nothing piles up."""
    with contextlib.ExitStack() as held:
        for number in range(100):
            peer = held.enter_context(socket.socket())
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
            peer.connect(("127.0.0.1", attacked.port))
            peer.sendall(line_of(hello_of(f"deaf-{number}", PRESENCE_SECRET)))
            peer.sendall(line_of(Restated()) * 1000 + line_of(Bye()))
        attacked.check(job, lines=3, megabytes=30)


ENDINGS: Final[dict[str, Callable[[Process], object]]] = {
    "SIGTERM": Process.stop,
    "SIGKILL": Process.kill,
}


@pytest.mark.parametrize("how", ENDINGS)
def test_a_gateway_that_ends_releases_nothing(tmp_path: Path, job: str, how: str) -> None:
    """The worker connects to another gateway, and keeps what it holds."""
    with running_stack(tmp_path, workers=0, gateway=LISTENS) as stack, stack.store() as store:
        gateway = Attacked(stack)
        held = Held(store, job, 5)
        worker = gateway.worker("a", *(Claimed(*claim, "job") for claim in held.claims))

        ENDINGS[how](gateway.process)

        with worker, contextlib.suppress(ConnectionError):
            assert worker.recv(4096) == b""
        assert [held.state(number) for number in range(5)] == [TaskState.HELD] * 5
        assert gateway.process.events("worker died") == []


def test_a_worker_of_a_real_gateway_dies(gateway: Stack, attacked: Attacked, job: str) -> None:
    """Whether its connection ends or is reset, its claims are offered to others at once."""
    with gateway.store() as store:
        for number, option in enumerate((None, ABORT)):
            held = Held(store, f"{job}-{number}", 5)
            claims = [Claimed(*claim, f"{job}-{claim[0]}") for claim in held.claims]
            worker = attacked.worker(f"{job}-{number}", *claims)
            attacked.worker(f"{job}-{number}-after", Bye()).close()  # what was said is read
            if option is not None:
                worker.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, option)
            worker.close()

            wait_until(held.are_free, seconds=3)
