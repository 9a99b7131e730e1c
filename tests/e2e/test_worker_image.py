"""The image from which images of functions begin: whose code counts, and what pip may do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.compose import PREFIX, docker
from tests.support.wheel import build_wheel

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.compose import Compose

IMAGE = f"{PREFIX}durable-http-worker"
ORDERS = """
from durable_http import Context, Workflow, function

@function
def order(context: Context) -> Workflow[None]:
    yield context.sleep(1)
"""


def run(folder: Path, program: str) -> str:
    """Run a shell program in a container of the image, as `RUN` does after `USER root`."""
    mount = f"{folder}:/mounted:ro"
    entry = ["--rm", "--user", "0", "--network", "none", "--volume", mount, "--entrypoint", "sh"]
    return docker("run", *entry, IMAGE, "-ec", program)


@pytest.mark.parametrize("name", ["worker", "shared", "durable_http", "orjson", "json"])
def test_no_file_of_users_takes_the_place_of_another(
    containers: Compose, tmp_path: Path, name: str
) -> None:
    """A module of the service, of a library or of Python is imported, not the user's."""
    tmp_path.chmod(0o755)  # the image's user is another
    (tmp_path / "orders.py").write_text(ORDERS)
    (tmp_path / f"{name}.py").write_text("raise SystemExit('the user\\'s was imported')\n")
    mount = f"{tmp_path}:/functions:ro"

    output = docker(
        *["run", "--rm", "--read-only", "--network", "none", "--volume", mount],
        *["--env", "WORKER_FUNCTIONS=orders", IMAGE, "catalog"],
        check=False,
    )

    assert "imported" not in output
    assert '"order"' in output or f"/functions/{name}.py is hidden" in output


def test_pip_adds_to_the_workers_libraries(containers: Compose, tmp_path: Path) -> None:
    """What pip installs is imported by the worker; its own `durable_http` stays the one in use."""
    build_wheel(tmp_path)

    output = run(
        tmp_path,
        "pip install --no-index --quiet /mounted/*.whl;"
        "python -c 'import importlib.metadata as m, durable_http;"
        ' print(m.version("durable-http"), durable_http.__file__)\'',
    )

    assert output.split()[1] == "/app/durable_http/__init__.py"


def test_pip_changes_none_of_the_workers_libraries(containers: Compose, tmp_path: Path) -> None:
    """Another version of a library of the worker is refused when the image is built."""
    output = run(tmp_path, "! pip install --no-index 'orjson<3' 2>&1")

    assert "(constraint) orjson==" in output
