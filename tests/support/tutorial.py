"""A page of documentation as a list of things to do: its fenced blocks, in order."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FENCED: Final = re.compile(r"^```(?P<info>\S[^\n]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, the words that follow it in the info string, and its text.

    `python file=a.py` is a whole file, `python file=a.py replaces=f` a piece of it that takes the
    place of the function `f`. A `console` block has commands after `$`, each with its answer.
    """

    language: str
    words: tuple[str, ...]
    text: str
    line: int

    def option(self, name: str) -> str | None:
        found = (word.partition("=") for word in self.words)
        return next((value for key, _, value in found if key == name), None)


def blocks(page: Path) -> list[Block]:
    """Return the blocks of a page that have a language."""
    text = page.read_text()
    found = []
    for match in FENCED.finditer(text):
        language, *words = match["info"].split()
        line = text.count("\n", 0, match.start()) + 1
        found.append(Block(language, tuple(words), match["text"], line))
    return found


def commands(block: Block) -> Iterator[tuple[str, str]]:
    """Yield each command of a console block, with the answer that is shown."""
    for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
        command, _, answer = part.partition("\n")
        yield command, answer.strip()


def is_shown(answer: str, shown: str) -> bool:
    """Return whether an answer is as shown; `…` stands for any text."""
    pattern = ".*".join(re.escape(part.strip("\n")) for part in shown.split("…"))
    return re.fullmatch(pattern, answer.strip(), re.DOTALL) is not None


def write(block: Block, folder: Path) -> None:
    """Write the file of a block, or the function that it replaces."""
    name, function = block.option("file"), block.option("replaces")
    assert name, f"line {block.line} names no file"
    path = folder / name
    path.write_text(block.text if function is None else replaced(path, function, block.text))


def replaced(path: Path, function: str, text: str) -> str:
    """Return the code of a file with other text in the place of a function and its decorators."""
    code = path.read_text()
    (node,) = (
        node
        for node in ast.parse(code).body
        if isinstance(node, ast.FunctionDef) and node.name == function
    )
    first = min(node.lineno, *(each.lineno for each in node.decorator_list))
    lines = code.splitlines(keepends=True)
    return "".join([*lines[: first - 1], text, *lines[node.end_lineno :]])
