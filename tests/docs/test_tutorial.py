"""The tutorial: everything that a reader copies from docs/functions.md works as it says."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import pytest

from tests.support.ports import free_port
from tests.support.processes import ROOT, wait_until
from tests.support.server import binary
from tests.support.tutorial import Block, blocks, commands, is_shown, write
from tests.support.wheel import build_wheel, install

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PAGE: Final = ROOT / "docs" / "functions.md"
RUN: Final = "make -C $SERVICE run"
"""What starts the service; here without what `make` installs before."""

SETUP: Final = (
    "mkdir orders && cd orders",
    "export SERVICE=~/durable-http",
    "make -C $SERVICE sync wheel",
    "python3.13 -m venv .venv",
    ".venv/bin/pip install $SERVICE/dist/durable_http-*.whl pytest",
)


@dataclass
class Reader:
    """Follows a page in a folder of its own, with a service on free ports."""

    folder: Path
    data: Path
    ports: dict[str, int] = field(
        default_factory=lambda: {
            name: free_port()
            for name in ("GATEWAY_PORT", "RESONATE_PORT_STORE", "RESONATE_PORT_MESSAGE_SOURCE")
        }
    )
    service: subprocess.Popen[str] | None = None

    @property
    def environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.data),
            "SERVICE": str(ROOT),
            "DATA_DIR": str(self.data),
            "RESONATE_SERVER_BIN": str(binary()),
            "PYTHONDONTWRITEBYTECODE": "1",
            "LOG_FORMAT": "json",
            **{name: str(port) for name, port in self.ports.items()},
        }

    def follow(self, block: Block) -> None:
        """Do what a block says."""
        match block.language, block.words:
            case "console", ("setup",):
                assert tuple(command for command, _ in commands(block)) == SETUP
            case "console", ("service",):
                self.deploy(block)
            case "console", ("containers",):
                pass  # tests/e2e/test_users_functions.py has containers
            case "console", ():
                for command, shown in commands(block):
                    self.perform(command, shown, block.line)
            case _:
                write(block, self.folder)

    def perform(self, command: str, shown: str, line: int) -> None:
        """Run a command until its answer is as shown; a question may be asked again."""
        answers: list[str] = []

        def answered() -> bool:
            answers.append(self.output(command))
            return is_shown(answers[-1], shown)

        again = command.startswith('curl "')
        try:
            wait_until(answered, seconds=20 if again else 0, what=command)
        except AssertionError:
            pytest.fail(f"line {line}: {command}\n{answers[-1]}\nis not\n{shown}")

    def output(self, command: str) -> str:
        """Run a command and return what it prints; curl's report of its progress is left out."""
        port = self.ports["GATEWAY_PORT"]
        done = subprocess.run(
            ["bash", "-c", command.replace("localhost:5001", f"localhost:{port}")],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return done.stdout if command.startswith("curl ") else done.stdout + done.stderr

    def deploy(self, block: Block) -> None:
        """Press Ctrl-C where the service runs, and start it."""
        self.end()
        ((command, _),) = commands(block)
        assert command.endswith(RUN)
        start = f"cd $SERVICE && exec {sys.executable} -m tools.run"
        path = self.data / "run.log"
        began = path.stat().st_size if path.exists() else 0
        with path.open("a") as log:
            self.service = subprocess.Popen(
                ["bash", "-c", f"export {command.removesuffix(RUN)}; {start}"],
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                text=True,
            )

        def ready() -> bool:
            assert self.service is not None
            text = path.read_bytes()[began:].decode()
            assert self.service.poll() is None, text
            return "Ready: " in text

        wait_until(ready, seconds=60, what="the service")

    def end(self) -> None:
        """Press Ctrl-C, which ends the service in order."""
        if self.service is None:
            return
        self.service.send_signal(signal.SIGINT)
        try:
            assert self.service.wait(30) == 0
        finally:
            self.service.kill()
            self.service = None


@pytest.fixture(name="reader")
def _reader(tmp_path: Path) -> Iterator[Reader]:
    folder, data = tmp_path / "orders", tmp_path / "data"
    folder.mkdir()
    data.mkdir()
    install(build_wheel(tmp_path / "dist"), folder / ".venv", "pytest")
    reader = Reader(folder, data)
    try:
        yield reader
    finally:
        reader.end()


def test_a_reader_who_copies_each_block_succeeds(reader: Reader) -> None:
    """The files, commands and answers of the page are right, in their order."""
    for block in blocks(PAGE):
        reader.follow(block)


def test_its_image_is_the_one_that_is_built() -> None:
    """The Dockerfile of the page is that of the example, which is tested with containers."""
    (shown,) = (block.text for block in blocks(PAGE) if block.language == "dockerfile")

    assert shown == (ROOT / "examples" / "own-functions" / "Dockerfile").read_text()
