"""The processes of `make run`: commands, environments, files, the supervisor's configuration."""

from __future__ import annotations

import os
import secrets
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tools import server
from tools.server import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

WORKERS: Final = ("worker-1", "worker-2", "worker-3")
DRAIN_SECONDS: Final = "2"
"""Default of WORKER_DRAIN_SECONDS here: short, because a person waits after Ctrl-C."""

INHERITED: Final = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR")
"""Variables that each process is given besides its settings. What else the shell has reaches all
processes by the supervisor, which passes on its own environment."""
SETTING_PREFIXES: Final = (
    "GATEWAY_",
    "WORKER_",
    "PRESENCE_SECRET",
    "WEBHOOK_SECRET",
    "LOG_LEVEL",
    "RESONATE_USERNAME",
    "RESONATE_PASSWORD",
)
"""Beginnings of the variables that gateway and workers inherit as well."""


@dataclass(frozen=True)
class Ports:
    """The three ports of the service."""

    gateway: int
    store: int
    message: int

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Ports:
        """Read the ports. Raises `ValueError` with the variable that is no port."""

        def port(name: str, default: int) -> int:
            text = environment.get(name) or str(default)
            if not (text.isascii() and text.isdigit() and 0 < int(text) < 65536):
                raise ValueError(f"{name} must be a TCP port, got {text!r}")
            return int(text)

        return cls(
            port("GATEWAY_PORT", 5001),
            port("RESONATE_PORT_STORE", 8001),
            port("RESONATE_PORT_MESSAGE_SOURCE", 8002),
        )

    def by_variable(self) -> dict[str, int]:
        return {
            "GATEWAY_PORT": self.gateway,
            "RESONATE_PORT_STORE": self.store,
            "RESONATE_PORT_MESSAGE_SOURCE": self.message,
        }


@dataclass(frozen=True)
class Program:
    """One process. Lower `order` starts first and stops last."""

    name: str
    command: list[str]
    environment: dict[str, str]
    group: str
    order: int
    stop_seconds: int


@dataclass(frozen=True)
class DataPaths:
    """Paths of the files in the data folder."""

    data: Path

    @property
    def database(self) -> Path:
        return self.data / "resonate.db"

    @property
    def catalog(self) -> Path:
        return self.data / "catalog.json"

    @property
    def lock(self) -> Path:
        return self.data / "run.lock"

    @property
    def supervisor(self) -> Path:
        return self.data / "supervisord.conf"

    def pid(self, name: str) -> Path:
        return self.data / f"{name}.pid"

    def ready(self, name: str) -> Path:
        return self.data / f"{name}.ready"

    def output(self, name: str) -> Path:
        return self.data / f"{name}.out"


def own_environment(
    ports: Ports, presence_port: int, environment: Mapping[str, str]
) -> dict[str, str]:
    """Return the environment of the gateway and the workers."""
    settings = {
        key: value for key, value in environment.items() if key.startswith(SETTING_PREFIXES)
    }
    folders = environment.get("PYTHONPATH", "").split(os.pathsep)
    return {
        **inherited(environment),
        "WORKER_DRAIN_SECONDS": DRAIN_SECONDS,
        "WORKER_GATEWAYS": f"127.0.0.1:{presence_port}",
        **_presence_secret(environment),
        **settings,
        # The processes start in the project's folder.
        "PYTHONPATH": os.pathsep.join(str(Path(name).absolute()) for name in folders if name),
        "PYTHONUNBUFFERED": "1",
        "LOG_FORMAT": "json",
        "RESONATE_HOST": "http://127.0.0.1",
        **{name: str(port) for name, port in ports.by_variable().items()},
        "GATEWAY_PRESENCE_PORT": str(presence_port),
    }


def _presence_secret(environment: Mapping[str, str]) -> dict[str, str]:
    """Return a new secret, if the user has none, that lasts as long as its processes."""
    if environment.get("PRESENCE_SECRET") or environment.get("PRESENCE_SECRET_FILE"):
        return {}
    return {"PRESENCE_SECRET": secrets.token_urlsafe()}


def inherited(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that every process inherits."""
    return {key: environment[key] for key in INHERITED if key in environment}


def programs(
    binary: Path,
    ports: Ports,
    paths: DataPaths,
    environment: Mapping[str, str],
    workers: Sequence[str] = WORKERS,
) -> list[Program]:
    """Return every process of the service; gateway and workers have this environment."""
    base, ours = inherited(environment), dict(environment)
    serve = server.command(
        binary, store_port=ports.store, message_port=ports.message, database=paths.database
    )
    drain = ours["WORKER_DRAIN_SECONDS"]
    stop_seconds = int(float(drain)) + 10 if drain.replace(".", "", 1).isdigit() else 30
    result = [
        # Short: a server with tasks that it cannot send never stops by itself. Killing it is safe
        # for its store.
        Program("server", serve, {**base, **server.ENVIRONMENT}, "server", 1, stop_seconds=2),
        Program("gateway", _python("gateway"), ours, "gateway", 2, stop_seconds=15),
    ]
    for name in workers:
        own = {**ours, "WORKER_NAME": name, "WORKER_READY_FILE": str(paths.ready(name))}
        result.append(
            Program(name, _python("worker"), own, "workers", 3, stop_seconds=stop_seconds)
        )
    return result


def die_with_parent(number: int, pid_file: Path, command: list[str]) -> list[str]:
    """Wrap a command: it gets a signal when its parent ends, and its pid is in a file."""
    return [*_python("tools.run.die_with_parent"), str(number), str(pid_file), *command]


def _python(*module: str) -> list[str]:
    return [sys.executable, "-m", *module]


def supervisor_configuration(processes: list[Program], paths: DataPaths) -> str:
    """Return the text of a supervisord.conf that runs these programs in the foreground."""
    # Without this line supervisord warns about root at every start.
    user = "user = root\n" if os.geteuid() == 0 else ""
    head = (
        "[supervisord]\nnodaemon = true\nlogfile = /dev/null\nlogfile_maxbytes = 0\n"
        f"pidfile = {_escaped(paths.pid('supervisord'))}\n"
        f"directory = {_escaped(ROOT)}\nloglevel = info\n{user}"
    )
    sections = [head]
    groups: dict[str, list[Program]] = {}
    for program in processes:
        groups.setdefault(program.group, []).append(program)
        command = die_with_parent(signal.SIGKILL, paths.pid(program.name), program.command)
        variables = ",".join(f"{k}={_quoted(v)}" for k, v in program.environment.items())
        sections.append(
            f"[program:{program.name}]\n"
            f"command = {' '.join(_quoted(word) for word in command)}\n"
            f"environment = {variables}\n"
            "autorestart = true\nstartsecs = 1\nstartretries = 1000000\n"
            f"stopwaitsecs = {program.stop_seconds}\n"
            "redirect_stderr = true\nstdout_logfile_maxbytes = 0\n"
            f"stdout_logfile = {_escaped(paths.output(program.name))}\n"
        )
    for group, members in groups.items():
        names = ",".join(member.name for member in members)
        sections.append(f"[group:{group}]\nprograms = {names}\npriority = {members[0].order}\n")
    return "\n".join(sections)


def _escaped(value: object) -> str:
    return str(value).replace("%", "%%")


def _quoted(word: str) -> str:
    escaped = _escaped(word).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def data_directory(environment: Mapping[str, str] = os.environ) -> Path:
    """Return the data folder: DATA_DIR, or `.data` in the project."""
    return Path(environment.get("DATA_DIR") or ROOT / ".data").absolute()
