"""The commands of make call docker in the right order, and never replace what runs unsaid."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from tests.support.processes import ROOT

if TYPE_CHECKING:
    from pathlib import Path

DOCKER = """#!/bin/sh
echo "${COMPOSE_FILE:-none} $*" >>"$CALLS"
case "$*" in
*" ps "*config_files*" resonate") printf '%s' "$RESONATE" ;;
*" ps "*config_files*" worker-1") printf '%s' "$WORKER" ;;
*" ps "*" worker") printf '%s' "$SCALED" ;;
*"$FAILS"*) exit 1 ;;
esac
"""
"""Stands for docker: it writes down its arguments, and fails those that contain $FAILS.

It says with which files a server and a worker were started, and which workers `make scale` added.
"""

SQLITE = "/srv/my app/compose.yaml"
POSTGRES = f"{SQLITE},/srv/my app/compose.postgres.yaml"
HA = f"{SQLITE},/srv/my app/compose.ha.yaml"
OWN = f"{SQLITE},/srv/my app/compose.functions.yaml"


@dataclass
class Make:
    """make in an empty folder with the fake docker; `env` is added to its environment."""

    folder: Path
    env: dict[str, str] = field(default_factory=dict)

    def __call__(self, *arguments: str) -> tuple[int, str, list[str]]:
        """Return the exit code, what it wrote to standard error, and each call of docker."""
        docker, calls = self.folder / "docker", self.folder / "calls"
        docker.write_text(DOCKER)
        docker.chmod(0o755)
        calls.write_text("")
        base = {"PATH": f"{self.folder}:{os.environ['PATH']}", "CALLS": str(calls)}
        done = subprocess.run(
            ["make", "--file", str(ROOT / "Makefile"), *arguments],
            cwd=self.folder,
            env={**base, "FAILS": "nothing", **self.env},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        return done.returncode, done.stderr, calls.read_text().splitlines()

    def ups(self, *arguments: str) -> list[str]:
        """Return the arguments of each `up`, after those that select files and profiles."""
        return [line.split(" up ", 1)[1] for line in self(*arguments)[2] if " up " in line]

    def files(self, *arguments: str) -> str:
        """Return the COMPOSE_FILE with which `up` was called, which must be the only one."""
        code, said, calls = self(*arguments)
        assert code == 0, said
        (found,) = [line.split()[0] for line in calls if " up " in line]
        return found


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Return make, with nothing running."""
    return Make(tmp_path)


@pytest.mark.parametrize(("scaled", "number"), [("", 0), ("4e1a\n", 1), ("4e1a\n07bf\n", 2)])
def test_scaled_workers_are_replaced_before_the_catalog(
    make: Make, scaled: str, number: int
) -> None:
    """Workers of `make scale` get the new image too, as many as there are."""
    make.env = {"SCALED": scaled}

    extra = [f"--no-build --no-deps --wait --scale worker={number} worker"] if number else []
    assert make.ups("deploy") == [
        *(f"--no-build --no-deps --wait worker-{each}" for each in (1, 2, 3)),
        *extra,
        "--no-build --no-deps --detach catalog",
    ]


def test_the_catalog_stays_where_a_scaled_worker_does_not_start(make: Make) -> None:
    """Nothing begins that some workers do not know."""
    make.env = {"SCALED": "4e1a\n", "FAILS": "--scale worker=1"}

    code, _, calls = make("deploy")
    assert code != 0
    assert not [call for call in calls if " up " in call and "catalog" in call]


def test_revive_starts_scaled_workers_too(make: Make) -> None:
    """A killed worker of `make scale` is started again, as those without a number are not."""
    make.env = {"SCALED": "4e1a\n07bf\n"}

    assert make.ups("revive") == [
        "--detach --no-build --wait",
        "--no-build --no-deps --wait --scale worker=2 worker",
    ]


@pytest.mark.parametrize(
    ("arguments", "files"),
    [
        ((), "none"),
        (("STORE=sqlite",), "none"),
        (("STORE=ha",), "compose.yaml:compose.ha.yaml"),
        (("FUNCTIONS=own",), "compose.yaml:compose.functions.yaml"),
        (("STORE=ha", "FUNCTIONS=own"), "compose.yaml:compose.ha.yaml:compose.functions.yaml"),
    ],
)
def test_store_and_functions_select_the_files(
    make: Make, arguments: tuple[str, ...], files: str
) -> None:
    """Without both compose finds its files itself."""
    assert make.files("up", *arguments) == files


@pytest.mark.parametrize("quote", ["", "'", '"'])
def test_the_files_of_dot_env_stand(make: Make, quote: str) -> None:
    """Docker compose reads them itself; STORE= and FUNCTIONS= that fit them change nothing."""
    both = "compose.yaml:compose.ha.yaml:compose.functions.yaml"
    (make.folder / ".env").write_text(
        f"FUNCTIONS=own\n#COMPOSE_FILE=x\nCOMPOSE_FILE={quote}{both}{quote}\n"
    )

    assert make.files("up") == "none"
    assert make.files("up", "STORE=ha", "FUNCTIONS=own") == "none"
    make.env = {"RESONATE": HA, "WORKER": OWN}
    assert make.files("up") == "none"


@pytest.mark.parametrize("where", ["shell", ".env"])
@pytest.mark.parametrize(
    ("set_files", "argument"),
    [
        ("compose.yaml:compose.functions.yaml", "STORE=ha"),
        ("compose.yaml:compose.postgres.yaml", "STORE=ha"),
        ("compose.yaml:compose.postgres.yaml", "STORE=sqlite"),
        ("compose.yaml:compose.ha.yaml", "FUNCTIONS=own"),
    ],
)
def test_what_contradicts_compose_file_stops(
    make: Make, where: str, set_files: str, argument: str
) -> None:
    """Neither of the two is left out without a word."""
    if where == "shell":
        make.env = {"COMPOSE_FILE": set_files}
    else:
        (make.folder / ".env").write_text(f"COMPOSE_FILE={set_files}\n")

    code, said, calls = make("up", argument)
    assert (code, calls) == (2, [])
    assert "COMPOSE_FILE" in said
    assert argument in said


@pytest.mark.parametrize("command", ["up", "deploy", "scale", "revive", "clean"])
@pytest.mark.parametrize(
    ("runs", "arguments", "words"),
    [
        ((POSTGRES, SQLITE), (), "say STORE=postgres"),
        ((HA, HA), (), "say STORE=ha"),
        ((HA, HA), ("STORE=postgres",), "say STORE=ha"),
        ((SQLITE, SQLITE), ("STORE=postgres",), "say STORE=sqlite"),
        ((SQLITE, OWN), (), "say FUNCTIONS="),
        ((POSTGRES, OWN), ("STORE=postgres",), "say FUNCTIONS="),
    ],
)
def test_what_runs_is_not_replaced_unsaid(
    make: Make, command: str, runs: tuple[str, str], arguments: tuple[str, ...], words: str
) -> None:
    """A forgotten STORE= or FUNCTIONS= changes nothing; `make down` is the way to another."""
    make.env = dict(zip(("RESONATE", "WORKER"), runs, strict=True))

    code, said, calls = make(command, *arguments)
    assert code == 2
    assert words in said
    assert "make down" in said
    assert [call for call in calls if " ps " not in call] == []


@pytest.mark.parametrize(
    ("runs", "arguments"),
    [
        ((HA, HA), ("STORE=ha",)),
        ((POSTGRES, OWN), ("STORE=postgres", "FUNCTIONS=own")),
        ((SQLITE, SQLITE), ("FUNCTIONS=own",)),
    ],
)
def test_what_fits_goes_on(make: Make, runs: tuple[str, str], arguments: tuple[str, ...]) -> None:
    """The same again goes on, and own functions may take the examples' place."""
    make.env = dict(zip(("RESONATE", "WORKER"), runs, strict=True))

    assert make.files("up", *arguments) != "none"


def test_down_stops_whatever_runs(make: Make) -> None:
    """It needs no STORE=: containers that compose.yaml lacks are removed too."""
    make.env = {"RESONATE": HA, "WORKER": OWN}

    code, _, calls = make("down")
    assert code == 0
    assert [call.split("compose ")[1] for call in calls] == ["--profile * down --remove-orphans"]
