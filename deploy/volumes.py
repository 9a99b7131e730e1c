"""Prepares the volumes of the containers, which belong to root when they are new.

It needs the standard library only, and of root's capabilities only CHOWN. It may run repeatedly.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

SERVER = 65532
GATEWAY_AND_WORKERS = 10001
"""The users, and groups, of the images."""

SECRET_BYTES = 32


def make_secret(path: Path, owner: int) -> None:
    """Write a random secret that only its owner can read, unless there is one."""
    if path.exists():
        return
    # By a rename: whoever finds the file finds all of it, also after a start that was broken off.
    new = path.with_suffix(".new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400), "w") as file:
        file.write(secrets.token_urlsafe(SECRET_BYTES))
        file.flush()
        os.fsync(file.fileno())
        os.fchown(file.fileno(), owner, owner)
    new.rename(path)


def main() -> None:
    """Prepare all volumes where they are mounted."""
    os.chown("/data", SERVER, SERVER)
    os.chown("/catalog", GATEWAY_AND_WORKERS, GATEWAY_AND_WORKERS)
    # The folder stays root's, so that nobody puts another secret in its place.
    make_secret(Path("/presence/secret"), GATEWAY_AND_WORKERS)


if __name__ == "__main__":
    main()
