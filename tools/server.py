"""Finds the Resonate server's program, or builds it from the Go module proxy.

`python -m tools.server path` prints its path and builds it first if there is none;
`python -m tools.server build` always builds `.bin/resonate`.
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
CONFIG: Final = ROOT / "deploy" / "server" / "resonate.yaml"
TOOLCHAIN: Final = ROOT / ".state" / "toolchain"
UV: Final = ROOT / ".tools" / "bin" / "uv"

SERIES: Final = (0, 8)
"""Version of the server. From 0.9 on it is another program, which answers our SDK with 410."""

GO_NEEDED: Final = (1, 24)
"""First version of Go that accepts the `tool` lines of go.mod."""


class ServerError(Exception):
    """No usable server; the message has the way to correct that."""


def report(line: str) -> None:
    """Print a line on standard error; standard output is for the path of the server."""
    print(line, file=sys.stderr, flush=True)


def locate(environment: Mapping[str, str] = os.environ) -> Path:
    """Return a server of the right version: from RESONATE_SERVER_BIN, PATH, `.bin`, or built now.

    Raises `ServerError`.
    """
    if named := environment.get("RESONATE_SERVER_BIN"):
        version = version_of(Path(named))
        if version is None or version[:2] != SERIES:
            kind = "no server" if version is None else f"version {_dotted(version)}"
            raise ServerError(f"RESONATE_SERVER_BIN={named} is {kind}; 0.8.x is needed")
        return Path(named).absolute()
    on_path = shutil.which("resonate", path=environment.get("PATH"))
    if on_path is not None:
        version = version_of(Path(on_path))
        if version is not None and version[:2] == SERIES:
            return Path(on_path)
        kind = "of no known version" if version is None else _dotted(version)
        report(f"ignoring {on_path}: it is {kind}, and the SDK needs 0.8.x")
    if BUILT.is_file() and (version_of(BUILT) or ())[:2] == SERIES:
        return BUILT
    return build(environment)


def version_of(binary: Path) -> tuple[int, ...] | None:
    """Return the version that the program prints, or None if it prints none."""
    try:
        done = subprocess.run(
            [str(binary), "--version"], capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = re.search(r"(\d+)\.(\d+)\.(\d+)", done.stdout + done.stderr)
    return tuple(int(part) for part in match.groups()) if match else None


def build(environment: Mapping[str, str] = os.environ) -> Path:
    """Build `.bin/resonate` with the machine's Go and C compiler, or with those from PyPI.

    Raises `ServerError`.
    """
    report(
        "building the Resonate server from the Go module proxy; only now, it takes a minute or two"
    )
    found = compilers(environment)
    BUILT.parent.mkdir(exist_ok=True)
    partial = BUILT.with_suffix(".partial")
    package = "github.com/resonatehq/resonate"
    # -trimpath and the flags keep paths and symbols of this machine out of the program.
    command = ["go", "build", "-trimpath", "-ldflags=-s -w", "-o", str(partial), package]
    done = subprocess.run(command, cwd=MODULE, env={**environment, **found}, check=False)
    if done.returncode != 0:
        raise ServerError("the server could not be built, see above; or set RESONATE_SERVER_BIN")
    # Renamed at the end, so that an interrupted build leaves no broken server behind.
    partial.rename(BUILT)
    report(f"built {BUILT.relative_to(ROOT)}")
    return BUILT


def compilers(environment: Mapping[str, str]) -> dict[str, str]:
    """Return variables for Go and a C compiler, of PATH or of PyPI. Raises `ServerError`."""
    path = environment.get("PATH", os.defpath)
    compiler = environment.get("CC") or next(filter(shutil.which, ("cc", "gcc", "clang")), None)
    if _go_version(path) >= GO_NEEDED and compiler is not None:
        return {"CGO_ENABLED": "1", "CC": compiler}
    report("no Go 1.24 and C compiler on PATH: installing both from PyPI")
    command = [str(UV), "sync", "--quiet", "--locked", "--only-group", "toolchain"]
    target = {"UV_PROJECT_ENVIRONMENT": str(TOOLCHAIN), "UV_PYTHON": sys.executable}
    done = subprocess.run(command, cwd=ROOT, env={**environment, **target}, check=False)
    if done.returncode != 0:
        raise ServerError(
            "Go could not be installed from PyPI, see above; or set RESONATE_SERVER_BIN"
        )
    programs = TOOLCHAIN / "bin"
    return {
        "CGO_ENABLED": "1",
        "CC": f"{programs / 'python'} -m ziglang cc",
        "PATH": f"{programs}{os.pathsep}{path}",
    }


def _go_version(path: str) -> tuple[int, ...]:
    if shutil.which("go", path=path) is None:
        return (0, 0)
    done = subprocess.run(
        ["go", "version"],
        capture_output=True,
        text=True,
        env={**os.environ, "PATH": path},
        check=False,
    )
    match = re.search(r"go(\d+)\.(\d+)", done.stdout)
    return tuple(int(part) for part in match.groups()) if match else (0, 0)


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


ENVIRONMENT: Final = {"GOGC": "400", "GOMEMLIMIT": "768MiB"}
"""Go's collector runs less often than by default, unless memory is scarce.

That saves the server a tenth of its CPU. compose.yaml has the same.
"""


def command(
    binary: Path, *, store_port: int, message_port: int, database: Path, host: str = "127.0.0.1"
) -> list[str]:
    """Return the command line of a server with its store in one SQLite file."""
    return [
        str(binary),
        "serve",
        f"--config={CONFIG}",
        f"--api-http-addr={host}:{store_port}",
        f"--aio-poll-addr={host}:{message_port}",
        "--metrics-addr=127.0.0.1:0",
        f"--aio-store-sqlite-path={sqlite_path(database)}",
    ]


def sqlite_path(database: Path) -> str:
    """Return the server's setting for a database: commits are synced, reads run beside a write.

    Transactions take the write lock at their start. Without that, a transaction that reads and then
    writes would fail instead of wait when another process has written in between.
    """
    return f"file:{database}?_journal_mode=WAL&_synchronous=FULL&_txlock=immediate"


def main(arguments: list[str]) -> int:
    """Return 0 if there is a server, 1 if not, 2 for wrong arguments."""
    actions = {"path": locate, "build": build}
    if len(arguments) != 1 or arguments[0] not in actions:
        report("usage: python -m tools.server path|build")
        return 2
    try:
        print(actions[arguments[0]]())
    except ServerError as error:
        report(f"server: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
