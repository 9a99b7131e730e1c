"""What can be done to the containers of a stack, and undone."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.support.compose import docker, role_of, run

if TYPE_CHECKING:
    from tests.support.compose import Compose

WORKERS = ("worker-1", "worker-2", "worker-3")
SERVERS = ("resonate", "resonate-spare")


@dataclass(frozen=True)
class Containers:
    """The containers of a stack by their names without the prefix."""

    compose: Compose

    @property
    def is_ha(self) -> bool:
        return self.compose.store == "ha"

    @property
    def gateways(self) -> tuple[str, ...]:
        return ("gateway", "gateway-2") if self.is_ha else ("gateway",)

    @property
    def names(self) -> tuple[str, ...]:
        """All that are to run."""
        beside = ("resonate-spare", "postgres", "haproxy") if self.is_ha else ()
        return (*WORKERS, *self.gateways, "resonate", *beside)

    def active(self) -> str:
        """Return the server that its guard has called active last, `resonate` if none."""
        if not self.is_ha:
            return "resonate"
        states = self.compose.containers()
        for name in SERVERS:
            if states.get(name) == "running" and role_of(self.compose.prefix + name) == "active":
                return name
        return "resonate"

    def kill(self, name: str) -> None:
        self.compose.kill(name)

    def start(self, name: str) -> None:
        self.compose.start(name)

    def pause(self, name: str) -> None:
        docker("pause", self.compose.prefix + name)

    def unpause(self, name: str) -> None:
        docker("unpause", self.compose.prefix + name, check=False)

    def restart(self, name: str) -> None:
        """Stop it as its stop grace says, and start it again."""
        seconds = self.compose.inspect(name)["Config"].get("StopTimeout") or 10
        docker("restart", "--time", str(seconds), self.compose.prefix + name, seconds=seconds + 60)

    def cut(self, name: str, peer: str = "") -> None:
        """Drop every packet to and from a container, or those between it and a peer."""
        pid, address = self._pid(name), self._address(peer) if peer else "0.0.0.0/0"
        for rule in _rules(address):
            _in_network(pid, "-I", *rule)

    def mend(self, name: str) -> None:
        """Take back all cuts of a container, which may have ended meanwhile."""
        pid = self._pid(name)
        if pid:
            for chain in ("INPUT", "OUTPUT"):
                _in_network(pid, "-F", chain, check=False)

    def heal(self) -> None:
        """Make all run and reach each other again."""
        for name in self.names:
            state: dict[str, Any] = self.compose.inspect(name)["State"]
            if state["Paused"]:
                self.unpause(name)
            elif not state["Running"]:
                self.start(name)
            self.mend(name)

    def _pid(self, name: str) -> int:
        pid: int = self.compose.inspect(name)["State"]["Pid"]
        return pid

    def _address(self, name: str) -> str:
        (network,) = self.compose.inspect(name)["NetworkSettings"]["Networks"].values()
        return str(network["IPAddress"] or "192.0.2.1")  # while it does not run it has none


def _rules(address: str) -> tuple[tuple[str, ...], ...]:
    # Not lo: a container's health check and Docker's resolver are within it.
    return (
        ("INPUT", "!", "-i", "lo", "-s", address, "-j", "DROP"),
        ("OUTPUT", "!", "-o", "lo", "-d", address, "-j", "DROP"),
    )


def _in_network(pid: int, *arguments: str, check: bool = True) -> None:
    """Run iptables of this machine in a container's network, which needs root."""
    run("nsenter", "-t", str(pid), "-n", "iptables", "-w", *arguments, seconds=20, check=check)


def facts_of(line: str) -> tuple[str, float, str]:
    """Return name, time and exit code of a container that ended, of a line of `docker events`."""
    event = json.loads(line)
    given = event["Actor"]["Attributes"]
    return given["name"], event["timeNano"] / 1e9, given.get("exitCode", "")
