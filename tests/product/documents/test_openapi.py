"""A client that knows nothing but the OpenAPI document, and tries everything that it allows."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.support.catalog import CATALOG
from tests.support.processes import ROOT, call, wait_until
from tests.support.stack import running_stack

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.stack import Stack

TOKEN: Final = "0123456789abcdef"
CONFIG: Final = ROOT / "tests" / "support" / "clients" / "schemathesis.toml"
ENDS: Final = {
    "resolved": ("foo", None, ""),
    "rejected": ("checkout", {"pace": 0, "fail": "ship"}, ""),
    "canceled": ("approval", None, ""),
    "timedout": ("approval", None, "&timeout=1s"),
    "pending": ("approval", None, ""),
}
"""How an execution of each status comes about: function, input, and what else is asked."""


@pytest.fixture(name="service", scope="module")
def _service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running_stack(tmp_path_factory.mktemp("openapi"), workers=1) as stack:
        for status, (function, given, also) in ENDS.items():
            begun = call(f"{stack.url}/begin?id={status}&function={function}{also}", "POST", given)
            assert begun.status == 202, begun
        call(f"{stack.url}/cancel?id=canceled", "POST")
        wait_until(lambda: all(stack.state(each)["status"] == each for each in ENDS), what="ends")
        yield stack


def document_for(url: str, function: str) -> dict[str, Any]:
    """Return the document with /begin narrowed to one function."""
    document: dict[str, Any] = call(f"{url}/openapi.json").body
    begin = document["paths"]["/begin"]["post"]
    (parameter,) = (each for each in begin["parameters"] if each["name"] == "function")
    parameter.update(schema={"enum": [function]}, example=function)
    parameter["required"] = function != CATALOG.default
    body = begin["requestBody"]["content"]["application/json"]
    body["schema"] = {"$ref": f"#/components/schemas/input-{function}"}
    body["examples"] = {function: body["examples"][function]}
    return document


def schemathesis(url: str, function: str, directory: Path, wait: int, *options: str) -> None:
    """Have schemathesis try the service at `url`. Fails with what it found."""
    path = directory / "openapi.json"
    path.write_text(json.dumps(document_for(url, function)))
    command: list[str | Path] = [
        sys.executable,
        "-m",
        "schemathesis.cli",
        "--config-file",
        CONFIG,
        "run",
        path,
    ]
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "GATEWAY_URL": url,
        "GATEWAY_TOKEN": TOKEN,
        "FUNCTION": function,
        "JOBS": " ".join(ENDS),
        "LONGEST_WAIT": str(wait),
    }
    done = subprocess.run(
        [*command, *options],
        cwd=directory,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]


def test_every_route_keeps_its_word(service: Stack, tmp_path: Path) -> None:
    """Whatever is sent to any route, the answer is one that the document describes."""
    url = service.add_gateway("tokens", GATEWAY_TOKENS=TOKEN)

    schemathesis(url, "foo", tmp_path, 1, "--max-examples=50")


@pytest.mark.parametrize("function", sorted(CATALOG.functions.keys() - {CATALOG.default}))
def test_inputs_are_what_the_document_says(service: Stack, function: str, tmp_path: Path) -> None:
    """A function takes every input that its schema allows, and no other."""
    # Nobody works for this group, so nothing of what is begun is run.
    url = service.add_gateway(f"only-{function}", GATEWAY_TOKENS=TOKEN, WORKER_GROUP="nobody")

    phases = "--phases=examples,coverage,fuzzing"
    schemathesis(url, function, tmp_path, 0, "--include-path=/begin", phases, "--max-examples=30")
