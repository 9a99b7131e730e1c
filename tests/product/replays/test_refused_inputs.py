"""Inputs that a function does not take although they are stored."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Final

from tests.support.flows import blocked, deploy, result

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.stack import Stack

SOURCE: Final = textwrap.dedent("""
    import msgspec
    from durable_http import Context, Workflow, function

    class Small(msgspec.Struct):
        size: int

        def __post_init__(self) -> None:
            if self.size > 5:
                raise ValueError("too large")

    @function
    def picky(context: Context, given: Small) -> Workflow[int]:
        return given.size
        yield
""")


def test_an_input_that_the_types_own_code_refuses(
    bare_stack: Stack, tmp_path: Path, job: str
) -> None:
    """It is the client's fault, which no deploy mends: the execution is rejected."""
    deploy(bare_stack, "worker", tmp_path, SOURCE)
    bare_stack.create(job, "picky", {"size": 9}, seconds=300)

    state, data = result(bare_stack, job)

    assert state == "REJECTED"
    assert "InvalidInput" in data
    assert "picky does not take the input: too large" in data


def test_an_input_of_another_schema(bare_stack: Stack, tmp_path: Path, job: str) -> None:
    """A gateway has let it through, so the code has changed: the execution waits for its own."""
    deploy(bare_stack, "changed", tmp_path, SOURCE)
    bare_stack.create(job, "picky", {"size": "M"}, seconds=300)
    record = blocked(bare_stack, job)
    bare_stack.workers["changed"].stop()

    deploy(
        bare_stack,
        "written",
        tmp_path,
        SOURCE.replace("size: int", "size: str")
        .replace("self.size > 5", "not self.size")
        .replace("Workflow[int]", "Workflow[str]"),
    )

    assert record["expected"] == "input of picky version 1"
    assert record["found"].startswith("picky version 1, which refuses it: Expected `int`")
    assert result(bare_stack, job) == "M"
