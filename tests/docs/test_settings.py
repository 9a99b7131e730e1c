"""Every setting is told of where users look for it."""

from __future__ import annotations

import re
from collections import UserDict
from typing import Final

from gateway.environment import gateway_settings
from tests.support.processes import ROOT
from worker.settings import worker_settings

COMPOSE: Final = (
    "compose.yaml",
    "compose.postgres.yaml",
    "compose.ha.yaml",
    "compose.functions.yaml",
)
OF_COMPOSE: Final = {"COMPOSE_FILE"}
"""What docker compose itself reads."""


class Asked(UserDict[str, str]):
    """An empty environment that remembers for which variables it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def __contains__(self, name: object) -> bool:
        self.names.add(str(name))
        return False


def test_each_setting_has_a_row() -> None:
    """The tables of docs/settings.md have every variable that a gateway or a worker reads."""
    asked = Asked()
    gateway_settings(asked, terminal=False)
    worker_settings(asked, terminal=False)

    page = (ROOT / "docs" / "settings.md").read_text()
    first_cells = " ".join(re.findall(r"^\| ([^|]*) \|", page, re.MULTILINE))
    assert {"GATEWAY_PORT", "WORKER_NAME"} <= asked.names
    assert asked.names - set(re.findall(r"`([A-Z_]+)`", first_cells)) == set()


def test_each_setting_of_compose_has_a_row() -> None:
    """The tables also have what only the containers' files take, and compose itself."""
    page = (ROOT / "docs" / "settings.md").read_text()
    first_cells = " ".join(re.findall(r"^\| ([^|]*) \|", page, re.MULTILINE))

    named = set(re.findall(r"`([A-Z_]+)`", first_cells))
    assert {name for name in _taken() | OF_COMPOSE if not name.startswith("OTEL_")} - named == set()


def test_the_readme_has_the_same_defaults() -> None:
    """Each setting of the README has its row, with the same default, in docs/settings.md."""
    section = (ROOT / "README.md").read_text().partition("## Settings")[2].partition("\n## ")[0]
    page = (ROOT / "docs" / "settings.md").read_text()
    first = re.findall(r"^(\| `[^|]* \| [^|]* \|)", section, re.MULTILINE)

    assert len(first) > 0
    assert [cells for cells in first if f"\n{cells}" not in page] == []


def test_the_example_has_the_settings_of_the_containers() -> None:
    """`.env.example` has what the containers take from `.env`, and nothing else."""
    example = (ROOT / ".env.example").read_text()

    assert set(re.findall(r"^#?([A-Z_]+)=", example, re.MULTILINE)) == _taken() | OF_COMPOSE


def _taken() -> set[str]:
    """Return the variables that the files of compose take."""
    texts = [(ROOT / file).read_text() for file in COMPOSE]
    return {name for text in texts for name in re.findall(r"\$\{([A-Z_]+)", text)}
