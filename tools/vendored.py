"""Brings the page's library from its npm package, as gateway/dashboard/package-lock.json pins it.

`python -m tools.vendored` writes the files below gateway/dashboard/page/vendor, unchanged, and
their hashes beside them.
"""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Final

DASHBOARD: Final = Path(__file__).parents[1] / "gateway" / "dashboard"
VENDOR: Final = DASHBOARD / "page" / "vendor"
HASHES: Final = VENDOR / "hashes.txt"
"""SHA-256 of each file, in the form of `sha256sum`."""

PACKAGE: Final = "lit-html"
FILES: Final = (
    "LICENSE",
    "lit-html.js",
    "async-directive.js",
    "directive.js",
    "directive-helpers.js",
    "directives/keyed.js",
    "directives/ref.js",
    "directives/repeat.js",
)
"""What the page imports, and what that imports."""


class VendorError(Exception):
    """The package cannot be had, or is not the one that is pinned."""


def pinned() -> tuple[str, str]:
    """Return the version that the lock names, and the integrity of its archive."""
    lock = json.loads((DASHBOARD / "package-lock.json").read_text())
    entry = lock["packages"][f"node_modules/{PACKAGE}"]
    return entry["version"], entry["integrity"]


def check(archive: bytes, integrity: str) -> None:
    """Raise `VendorError` unless the archive has this integrity, a hash in base64."""
    algorithm, _, expected = integrity.partition("-")
    found = base64.b64encode(hashlib.new(algorithm, archive).digest()).decode()
    if found != expected:
        raise VendorError(f"{PACKAGE} has the {algorithm} {found}, and the lock {expected}")


def unpack(archive: Path, folder: Path) -> None:
    """Write the files of an archive of npm into a folder."""
    with tarfile.open(archive) as package:
        for name in FILES:
            member = package.extractfile(f"package/{name}")
            if member is None:
                raise VendorError(f"{PACKAGE} has no file {name}")
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(member.read())


def hashes(folder: Path) -> str:
    """Return the lines with the hashes of all files of a package's folder."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return "".join(
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(folder.parent)}\n"
        for path in paths
    )


def main() -> int:
    """Fetch, check and write."""
    version, integrity = pinned()
    with tempfile.TemporaryDirectory() as scratch:
        packed = subprocess.run(
            ["npm", "pack", "--silent", f"{PACKAGE}@{version}", "--pack-destination", scratch],
            check=True,
            capture_output=True,
            text=True,
        )
        archive = Path(scratch) / packed.stdout.split()[-1]
        try:
            check(archive.read_bytes(), integrity)
            unpack(archive, VENDOR / PACKAGE)
        except VendorError as error:
            print(f"vendored: {error}", file=sys.stderr)
            return 1
    HASHES.write_text(hashes(VENDOR / PACKAGE))
    print(f"{PACKAGE} {version}: {len(FILES)} files in {VENDOR / PACKAGE}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
