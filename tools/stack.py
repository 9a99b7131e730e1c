"""The running service, in containers or not: its processes, and how tools kill them."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections import Counter
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlencode

from shared.ids import id_of_stored
from tools.api import Api
from tools.run.plan import WORKERS, DataPaths, Ports, data_directory
from tools.server import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping


class StackError(Exception):
    """The service does not run or cannot be changed; the message is the reason."""


class Stack(Protocol):
    """The service's processes, by names such as gateway and worker-1."""

    def kill_command(self, name: str) -> str:
        """Return the shell command that does the same as `kill`."""

    def kill(self, name: str) -> None:
        """SIGKILL the process. Raises `StackError`."""

    def revive(self, name: str) -> None:
        """Bring back a killed process; no action where a supervisor restarts it."""

    def step_starts(self, id: str) -> Counter[str] | None:
        """Count each step's starts in the workers' logs; None if no logs are kept."""

    def pending(self) -> list[str]:
        """Return the ids of pending executions, at most 100."""


class Containers:
    """The containers of the Compose project in this folder."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._prefix = environment.get("STACK_PREFIX", "")

    @staticmethod
    def available() -> bool:
        """Return whether Docker runs here and has Compose."""
        return (
            shutil.which("docker") is not None
            and _succeeds("docker", "compose", "version")
            and _succeeds("docker", "info")
        )

    def running(self) -> bool:
        return bool(_output("docker", "ps", "-q", "-f", f"name=^{self._prefix}gateway$").strip())

    def up(self) -> None:
        """Build changed images, start all containers, and wait until they are healthy."""
        done = subprocess.run(
            ["docker", "compose", "up", "--build", "--wait"], cwd=ROOT, check=False
        )
        if done.returncode != 0:
            raise StackError("docker compose up failed, see above")

    def kill_command(self, name: str) -> str:
        return f"docker kill {self._prefix}{name}"

    def kill(self, name: str) -> None:
        _output("docker", "kill", f"{self._prefix}{name}")

    def revive(self, name: str) -> None:
        _output("docker", "start", f"{self._prefix}{name}")

    def step_starts(self, id: str) -> Counter[str] | None:
        started: Counter[str] = Counter()
        names = _output("docker", "ps", "-a", "--format", "{{.Names}}").split()
        for name in names:
            if "worker" in name.removeprefix(self._prefix) and name.startswith(self._prefix):
                started.update(_starts(_output("docker", "logs", name), id))
        return started

    def pending(self) -> list[str]:
        search = ["./resonate", "promises", "search", "*", "--state", "pending", "-o", "json"]
        roots = ["--tag", "resonate:scope=global"]
        lines = _output("docker", "exec", f"{self._prefix}resonate", *search, *roots).splitlines()
        return [id_of_stored(str(json.loads(line)["id"])) for line in lines if line]


class Local:
    """The processes of `make run`."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._paths = DataPaths(data_directory(environment))
        self._ports = Ports.of(environment)

    def running(self) -> bool:
        return all(self._alive(name) for name in ("gateway", *WORKERS))

    def kill_command(self, name: str) -> str:
        return f"kill -9 $(cat {os.path.relpath(self._paths.pid(name))})"

    def kill(self, name: str) -> None:
        if not self._alive(name):
            raise StackError(f"{name} does not run under make run here")
        os.kill(self._pid(name), signal.SIGKILL)

    def revive(self, name: str) -> None:
        """No action: the supervisor restarts the process."""

    def step_starts(self, id: str) -> Counter[str] | None:  # noqa: ARG002 - logs are not kept
        return None

    def pending(self) -> list[str]:
        store = Api(f"http://127.0.0.1:{self._ports.store}")
        query = urlencode({"id": "*", "state": "pending", "tags[resonate:scope]": "global"})
        return [
            str(found["id"]) for found in store.ask("GET", f"/promises?{query}").body["promises"]
        ]

    def _alive(self, name: str) -> bool:
        try:
            os.kill(self._pid(name), 0)
        except (OSError, ValueError):
            return False
        return True

    def _pid(self, name: str) -> int:
        return int(self._paths.pid(name).read_text())


def find_stack(environment: Mapping[str, str] = os.environ) -> Containers | Local:
    """Return the running service; containers come first. Raises `StackError`."""
    if Containers.available() and (containers := Containers(environment)).running():
        return containers
    if (local := Local(environment)).running():
        return local
    raise StackError("the service does not run here: start it with make up or make run")


def _starts(log: str, id: str) -> Counter[str]:
    started: Counter[str] = Counter()
    for line in log.splitlines():
        try:
            entry: dict[str, Any] = json.loads(line)
        except ValueError:
            continue
        if entry.get("event") == "step started" and entry.get("execution") == id:
            started[str(entry["step"])] += 1
    return started


def _succeeds(*command: str) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _output(*command: str) -> str:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise StackError(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout
