"""A host of its own for processes: a network namespace, and links to it that can be cut."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

IP: Final = shutil.which("ip") or ""
NAMES: Final = Path("/run/netns")
OF_A_TEST: Final = re.compile(r"durable-(\d+)")
NOBODY: Final = "02:00:00:00:00:01"
"""An address that no interface has: what is sent to it is lost, and nobody says so."""


def ip(*arguments: str) -> None:
    """Run the program `ip`."""
    command = [IP, *arguments]
    subprocess.run(command, check=True, capture_output=True, timeout=10)


@dataclass(frozen=True)
class Link:
    """A cable between this host and the namespace, with a subnet of its own.

    `here` and `there` are the addresses of its ends, whose interfaces have the same names.
    """

    namespace: str
    name: str
    subnet: str

    @property
    def here(self) -> str:
        return f"{self.subnet}.1"

    @property
    def there(self) -> str:
        return f"{self.subnet}.2"

    @property
    def _outer(self) -> str:
        return f"{self.name}-here"

    @property
    def _inner(self) -> str:
        return f"{self.name}-there"

    def lay(self) -> None:
        """Connect the two ends."""
        peer = ("peer", "name", self._inner, "netns", self.namespace)
        ip("link", "add", self._outer, "type", "veth", *peer)
        ip("address", "add", f"{self.here}/30", "dev", self._outer)
        ip("link", "set", self._outer, "up")
        self._inside("address", "add", f"{self.there}/30", "dev", self._inner)
        self._inside("link", "set", self._inner, "up")

    def remove(self) -> None:
        """Remove both ends at once; those of a deleted namespace stay for a while."""
        ip("link", "delete", self._outer)

    def silence(self) -> None:
        """Lose everything on the way, in both directions; both ends stay up."""
        lost = ("lladdr", NOBODY, "nud", "permanent")
        ip("neighbour", "replace", self.there, "dev", self._outer, *lost)
        self._inside("neighbour", "replace", self.here, "dev", self._inner, *lost)

    def take_down(self) -> None:
        """Switch the end in the namespace off, which the kernels of both ends see."""
        self._inside("link", "set", self._inner, "down")

    def heal(self) -> None:
        """Undo both."""
        self._inside("link", "set", self._inner, "up")
        for run, far, end in (
            (ip, self.there, self._outer),
            (self._inside, self.here, self._inner),
        ):
            with contextlib.suppress(subprocess.CalledProcessError):  # it was not replaced
                run("neighbour", "del", far, "dev", end)

    def _inside(self, *arguments: str) -> None:
        ip("-netns", self.namespace, *arguments)


@dataclass(frozen=True)
class Host:
    """A namespace with a link to the gateway, and one to the server."""

    namespace: str
    to_gateway: Link
    to_server: Link

    @property
    def launcher(self) -> tuple[str, ...]:
        """What a command begins with that is to run there."""
        return IP, "netns", "exec", self.namespace


def refusal() -> str | None:
    """Return why this machine gives no namespaces, or None if it does."""
    if not IP or os.geteuid() != 0:
        return "needs root and the program ip"
    probe = f"durable-{os.getpid()}-probe"
    try:
        ip("netns", "add", probe)
        ip("netns", "delete", probe)
    except subprocess.CalledProcessError as error:
        return f"no network namespaces: {error.stderr.decode().strip()}"
    return None


@contextlib.contextmanager
def other_host() -> Iterator[Host]:
    """Have a host until the block ends, however it ends."""
    _remove_left()
    pid = os.getpid()
    name = f"durable-{pid}"
    low = pid % 256
    host = Host(
        name,
        Link(name, f"g{pid}"[:8], f"198.18.{low}"),  # networks for tests of devices (RFC 2544)
        Link(name, f"s{pid}"[:8], f"198.19.{low}"),
    )
    with contextlib.ExitStack() as stack:
        ip("netns", "add", name)
        stack.callback(partial(_remove, name))
        ip("-netns", name, "link", "set", "lo", "up")
        for link in (host.to_gateway, host.to_server):
            link.lay()
            stack.callback(link.remove)
        yield host


def _remove(name: str) -> None:
    """Remove a namespace and what runs in it; its links go with it."""
    found = subprocess.run(
        [IP, "netns", "pids", name], check=False, capture_output=True, text=True, timeout=10
    )
    for pid in found.stdout.split():
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(pid), 9)
    ip("netns", "delete", name)


def _remove_left() -> None:
    """Remove the namespaces of tests that were killed."""
    for entry in NAMES.iterdir() if NAMES.exists() else ():
        match = OF_A_TEST.match(entry.name)
        if match is not None and not Path("/proc", match[1]).exists():
            _remove(entry.name)
