"""The pages name what there is, and lead to it."""

from __future__ import annotations

import re
from typing import Final

import pytest

from tests.support.processes import ROOT

PAGES: Final = (
    "README.md",
    "docs/architecture.md",
    "docs/cells.md",
    "docs/functions.md",
    "docs/functions-reference.md",
    "docs/kubernetes.md",
)
NAMED: Final = re.compile(r"`((?:[a-z_]+/)+[a-z_]+(?:\.\w+)?)`")
FOLDERS: Final = (ROOT, ROOT / "gateway", ROOT / "worker", ROOT / "deploy" / "kubernetes")
"""Where a path of the text begins."""

LINK: Final = re.compile(r"\]\((?P<path>[^)#:]+)(?:#[^)]*)?\)")


def exists(path: str) -> bool:
    """Return whether a folder, a module or another file has this path."""
    return any((folder / name).exists() for folder in FOLDERS for name in (path, f"{path}.py"))


@pytest.mark.parametrize("page", PAGES)
def test_what_is_named_exists(page: str) -> None:
    """Each path and each link of a page leads to something."""
    text = (ROOT / page).read_text()
    folder = (ROOT / page).parent

    missing = [path for path in NAMED.findall(text) if not exists(path)]
    broken = [path for path in LINK.findall(text) if not (folder / path).exists()]
    assert (missing, broken) == ([], [])


def test_each_room_has_a_row() -> None:
    """The table of packages has each package of gateway, worker and what users import."""
    text = (ROOT / "docs" / "architecture.md").read_text()
    table = text.partition("## Packages")[2].partition("\n## ")[0]
    words = set(re.findall(r"\w+", " ".join(re.findall(r"`([\w/]+)`", table))))
    rooms = {
        entry.parent.name
        for package in ("gateway", "worker")
        for entry in (ROOT / package).glob("*/__init__.py")
    }

    assert rooms - words == set()
