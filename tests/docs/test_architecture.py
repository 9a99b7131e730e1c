"""The pages name what there is, and lead to it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import pytest

from tests.support.processes import ROOT

if TYPE_CHECKING:
    from pathlib import Path

PAGES: Final = (
    "README.md",
    "docs/architecture.md",
    "docs/cells.md",
    "docs/functions.md",
    "docs/functions-reference.md",
    "docs/kubernetes.md",
    "docs/metrics.md",
    "docs/observability.md",
    "docs/operations.md",
    "docs/performance.md",
    "docs/production.md",
    "docs/settings.md",
)
LINKING: Final = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
NAMED: Final = re.compile(r"`((?:[a-z_]+/)+[a-z_]+(?:\.\w+)?)`")
FOLDERS: Final = (ROOT, ROOT / "gateway", ROOT / "worker", ROOT / "deploy" / "kubernetes")
"""Where a path of the text begins."""

LINK: Final = re.compile(r"\]\((?P<path>[^)#:]*)(?:#(?P<heading>[^)]*))?\)")
HEADING: Final = re.compile(r"^#+ (.+)$", re.MULTILINE)


def exists(path: str) -> bool:
    """Return whether a folder, a module or another file has this path."""
    return any((folder / name).exists() for folder in FOLDERS for name in (path, f"{path}.py"))


def leads(page: Path, path: str, heading: str) -> bool:
    """Return whether a link of the page leads to a file, and to a heading of it if it names one."""
    target = page.parent / path if path else page
    if not heading:
        return target.exists()
    return target.is_file() and heading in anchors(target.read_text())


def anchors(text: str) -> set[str]:
    """Return by which names the headings of a page are linked to."""
    words = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in HEADING.findall(text))
    return {heading.replace(" ", "-") for heading in words}


@pytest.mark.parametrize("page", PAGES)
def test_what_is_named_exists(page: str) -> None:
    """Each path that a page names is that of something."""
    text = (ROOT / page).read_text()

    assert [path for path in NAMED.findall(text) if not exists(path)] == []


@pytest.mark.parametrize("page", LINKING, ids=lambda page: page.name)
def test_links_lead_to_something(page: Path) -> None:
    """Each link of a page leads to a file, and to a heading of it if the link names one."""
    links = LINK.findall(page.read_text())

    assert [link for link in links if not leads(page, *link)] == []


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
