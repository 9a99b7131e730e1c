"""The page's modules: small, and without any way by which a text could become more than text."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import pytest

from gateway.dashboard.files import FOLDER

if TYPE_CHECKING:
    from pathlib import Path

MOST_LINES: Final = 250

OWN: Final = sorted(
    path
    for path in FOLDER.rglob("*")
    if path.suffix in {".js", ".css", ".html"} and "vendor" not in path.parts
)

DANGEROUS: Final = re.compile(
    r"innerHTML|outerHTML|insertAdjacent|unsafe(HTML|SVG|CSS|Static)|document\.write|\beval\b"
    r"|new Function"
    r"|srcdoc|localStorage|sessionStorage|document\.cookie|https?://(?!www\.w3\.org/)"
)
"""What makes markup, code, requests elsewhere or stored secrets of a text."""

INLINE: Final = re.compile(r"""[^.\w]style=|\son[a-z]+=|<script(?![^>]*\ssrc=)|<style""")
"""Style and code within markup, which the page's policy forbids."""


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.name)
def test_a_module_is_short_and_makes_no_markup_of_texts(path: Path) -> None:
    """Each file can be read at a sitting, and uses nothing dangerous."""
    text = path.read_text()

    assert text.count("\n") <= MOST_LINES
    assert DANGEROUS.findall(text) == []
    assert INLINE.findall(text) == []
