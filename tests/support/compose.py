"""A Compose stack of the test's own: other names, another port, its own volumes."""

from __future__ import annotations

import json
import os
import subprocess
from collections import Counter
from dataclasses import dataclass
from typing import Any

from tests.support.processes import ROOT, Answer, call, wait_until

FILES = {
    "sqlite": "compose.yaml",
    "postgres": "compose.yaml:compose.postgres.yaml",
    "ha": "compose.yaml:compose.ha.yaml",
}
FUNCTIONS = "compose.functions.yaml"
PREFIX = "e2e-"
PROJECT = "durable-http-e2e"
WORKERS = ["worker-1", "worker-2", "worker-3"]

CRASH = (
    "import os, pathlib; [os.kill(int(p.name), 9) for p in pathlib.Path('/proc').iterdir()"
    " if p.name.isdigit() and (p / 'cmdline').read_bytes().endswith(b'-m\\0worker\\0')"
    " and int(p.name) != 1]"
)
"""A program that kills the worker in whose container it runs."""

DRAIN_SECONDS = 5
"""Seconds that a worker drains, so that a job outlasts them soon."""


@dataclass(frozen=True)
class Compose:
    """The stack; `store` says where the server keeps its data.

    `functions` is the folder of the functions that it serves, empty for those that ship. Stacks
    with other names, `project` and `prefix`, run beside each other.
    """

    store: str
    port: int
    functions: str = ""
    project: str = PROJECT
    prefix: str = PREFIX

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __call__(self, *arguments: str, seconds: float = 240) -> str:
        """Run `docker compose`, which must succeed, and return its output."""
        return docker("compose", *arguments, seconds=seconds, environment=self._environment())

    def _environment(self) -> dict[str, str]:
        files = FILES[self.store] + (f":{FUNCTIONS}" if self.functions else "")
        return {
            **os.environ,
            "COMPOSE_PROJECT_NAME": self.project,
            "COMPOSE_FILE": files,
            "FUNCTIONS": self.functions,
            "STACK_PREFIX": self.prefix,
            "GATEWAY_PORT": str(self.port),
            "WORKER_DRAIN_SECONDS": str(DRAIN_SECONDS),
        }

    def up(self) -> None:
        self("up", "--build", "--wait")

    def remove(self) -> None:
        """Remove all containers with their volumes."""
        self("--profile", "*", "down", "--volumes", "--remove-orphans")

    def revive(self) -> None:
        """Start what does not run, and wait until all works as its users see it.

        That is earlier than the next check of a container's health.
        """
        if self._works():
            return
        states = self.containers()
        stopped = [
            name for name in ("resonate", "gateway", *WORKERS) if states.get(name) == "exited"
        ]
        if stopped:
            docker("start", *(self.prefix + name for name in stopped))
        else:
            self("up", "--no-build", "--detach")
        wait_until(self._works, what="a service with three workers")

    def _works(self) -> bool:
        try:
            ready = call(f"{self.url}/readyz").body.get("status") == "ok"
            listed = call(f"{self.url}/functions").body["functions"]
            workers = call(f"{self.url}/workers").body.get("workers", ())
        except OSError:
            return False
        serve = {worker["name"] for worker in workers if "foo" in worker["functions"]}
        return ready and serve >= {*WORKERS} and "foo" in {each["name"] for each in listed}

    def deploy(self) -> None:
        """Run `make deploy`, which replaces the workers one by one."""
        run("make", "deploy", seconds=240, environment=self._environment())

    def containers(self) -> dict[str, str]:
        """Return the state of each service's container by its name without the prefix."""
        lines = self("ps", "-a", "--format", "{{.Name}} {{.State}}").splitlines()
        pairs = (line.removeprefix(self.prefix).split() for line in lines)
        return {name: state for name, state in pairs}  # noqa: C416 - the pairs are lists

    def inspect(self, name: str) -> dict[str, Any]:
        found: list[dict[str, Any]] = json.loads(docker("inspect", self.prefix + name))
        return found[0]

    def kill(self, name: str) -> None:
        docker("kill", self.prefix + name)

    def crash(self, name: str) -> None:
        """End a worker's process from within its container.

        The container ends with it, and may take this command along. So the exit code says nothing.
        """
        docker("exec", self.prefix + name, "python", "-c", CRASH, check=False)

    def start(self, name: str) -> None:
        docker("start", self.prefix + name)

    def begin(self, id: str, function: str = "foo", body: object = None) -> Answer:
        return call(f"{self.url}/begin?id={id}&function={function}", "POST", body)

    def state(self, id: str) -> dict[str, Any]:
        """Return what /wait says with all steps; nothing while it cannot be asked."""
        try:
            answer = call(f"{self.url}/wait?id={id}&include=steps")
        except OSError:
            return {}
        return answer.body if answer.status == 200 else {}

    def outcome(self, id: str, seconds: float = 40) -> dict[str, Any]:
        def ended() -> dict[str, Any] | None:
            state = self.state(id)
            return state if state.get("done") else None

        found = wait_until(ended, seconds=seconds, what=f"end of {id}")
        assert found is not None
        return found

    def running(self, id: str, step: str) -> str:
        """Wait until the step runs; return its worker."""

        def worker() -> str | None:
            steps = self.state(id).get("steps") or [{}]
            return steps[-1]["worker"] if steps[-1].get("name") == step else None

        found = wait_until(worker, seconds=20, what=f"{step} of {id}")
        assert found is not None
        return found

    def starts(self, id: str) -> list[tuple[str, str, str]]:
        """Return (time, worker, step) for each step that any worker's log says was started."""
        names = docker(
            "ps",
            "-a",
            "--filter",
            f"label=com.docker.compose.project={self.project}",
            "--format",
            "{{.Names}}",
        ).split()
        found = []
        for name in names:
            for line in docker("logs", name).splitlines():
                if '"step started"' not in line or f'"{id}"' not in line:
                    continue
                entry = json.loads(line)
                found.append((entry["timestamp"], entry["process"], entry["step"]))
        return sorted(found)

    def step_counts(self, id: str) -> Counter[str]:
        return Counter(step for _, _, step in self.starts(id))


def role_of(container: str) -> str:
    """Return whether a server's guard has said last that it is active, or that it waits."""
    said = docker("logs", container)
    starts, waits = said.rfind("server started"), said.rfind("waits as the spare")
    return "active" if starts > waits else "spare"


def docker(
    *arguments: str,
    seconds: float = 60,
    environment: dict[str, str] | None = None,
    check: bool = True,
) -> str:
    """Run docker, which must succeed if `check`, and return its standard output and error."""
    return run("docker", *arguments, seconds=seconds, environment=environment, check=check)


def run(
    *command: str,
    seconds: float,
    environment: dict[str, str] | None = None,
    check: bool = True,
) -> str:
    """Run a command, which must succeed if `check`, and return its standard output and error."""
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=seconds,
        check=False,
    )
    assert done.returncode == 0 or not check, f"{' '.join(command)}: {done.stdout}"
    return done.stdout
