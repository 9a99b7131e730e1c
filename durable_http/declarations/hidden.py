"""Finds modules of users that a module of the same name hides."""

from __future__ import annotations

import site
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import ModuleType

    from durable_http.declarations.definition import Definition


def hidden(definitions: Iterable[Definition]) -> Iterator[str]:
    """Yield a line for each file of users in whose place another one was imported.

    Users' folders come last on the path. An `import shared` in `orders.py` gets our `shared`, and
    never the `shared.py` that lies beside `orders.py`.
    """
    for folder in sorted(_folders(definitions)):
        for path in sorted(folder.iterdir()):
            if path.suffix != ".py" and not any(path.glob("*.py")):
                continue
            if path.stem == "__main__":  # no import names it
                continue
            module = sys.modules.get(path.stem)
            if module is None:
                continue
            found = _places(module)
            if not any(Path(place).is_relative_to(folder) for place in found):
                what = found[0] if found else "a part of Python"
                yield f"{path} is hidden by {what}; give it another name, or put it in a package"


def _places(module: ModuleType) -> list[str]:
    """Return where a module lies; a package without `__init__.py` may lie in several folders."""
    file = getattr(module, "__file__", None)
    return [file] if file else list(getattr(module, "__path__", ()))


def _folders(definitions: Iterable[Definition]) -> set[Path]:
    """Return the folders on the path in which the functions' modules lie."""
    installed = {Path(each) for each in site.getsitepackages()}
    folders = set()
    for definition in definitions:
        file = getattr(sys.modules.get(definition.module), "__file__", None)
        if file is not None:
            depth = definition.module.count(".") + (Path(file).name == "__init__.py")
            folders.add(Path(file).parents[depth])
    return folders - installed
