"""The page's library is what its package has, unchanged."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import tarfile
from typing import TYPE_CHECKING

import pytest

from tools.vendored import (
    DASHBOARD,
    FILES,
    HASHES,
    PACKAGE,
    VENDOR,
    VendorError,
    check,
    hashes,
    pinned,
    unpack,
)

if TYPE_CHECKING:
    from pathlib import Path

IMPORTS = re.compile(r"""(?:import|from)\s*["'](\.[^"']+)["']""")


def test_the_files_are_unchanged() -> None:
    """Each file has the hash that was recorded when it came, and no other file is there."""
    assert hashes(VENDOR / PACKAGE) == HASHES.read_text()
    recorded = [line.split("  ")[1] for line in HASHES.read_text().splitlines()]
    assert recorded == sorted(f"{PACKAGE}/{name}" for name in FILES)


def test_the_version_is_pinned_exactly() -> None:
    """Package and lock name one version."""
    wanted = json.loads((DASHBOARD / "package.json").read_text())["dependencies"]

    assert wanted == {PACKAGE: pinned()[0]}


def test_all_that_is_imported_is_there() -> None:
    """Every relative import of the page's modules leads to a file of the page."""
    missing = [
        (module.name, name)
        for module in (DASHBOARD / "page").rglob("*.js")
        for name in IMPORTS.findall(module.read_text())
        if not (module.parent / name).is_file()
    ]

    assert missing == []


def _archive(path: Path, *names: str) -> Path:
    with tarfile.open(path, "w:gz") as package:
        for name in names:
            entry = tarfile.TarInfo(f"package/{name}")
            entry.size = len(name)
            package.addfile(entry, io.BytesIO(name.encode()))
    return path


def test_another_archive_is_refused(tmp_path: Path) -> None:
    """Only the archive with the integrity of the lock is unpacked."""
    archive = _archive(tmp_path / "a.tgz", *FILES).read_bytes()
    right = base64.b64encode(hashlib.sha512(archive).digest()).decode()

    check(archive, f"sha512-{right}")
    with pytest.raises(VendorError, match="and the lock"):
        check(archive + b" ", f"sha512-{right}")


def test_files_are_taken_as_they_are(tmp_path: Path) -> None:
    """What the page needs is written, and nothing else of the package."""
    unpack(_archive(tmp_path / "a.tgz", *FILES, "development/lit-html.js"), tmp_path / PACKAGE)

    found = {
        str(p.relative_to(tmp_path / PACKAGE))
        for p in (tmp_path / PACKAGE).rglob("*")
        if p.is_file()
    }
    assert found == set(FILES)
    assert (tmp_path / PACKAGE / "directives" / "ref.js").read_text() == "directives/ref.js"
