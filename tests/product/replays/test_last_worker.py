"""A worker that stops says so if it was the last of a version that executions still need."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tests.support.flows import WRITTEN, deploy, module

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.stack import Stack

WARNING: Final = "last worker of a version that is still needed"


def warnings_of(bare_stack: Stack, worker: str) -> list[tuple[Any, Any]]:
    """Stop a worker; return the functions and versions of its warnings."""
    process = bare_stack.workers[worker]
    assert process.stop() == 0
    return [(event["function"], event["version"]) for event in process.events(WARNING)]


def test_the_last_worker_of_a_needed_version_warns(
    bare_stack: Stack, tmp_path: Path, job: str
) -> None:
    """A worker warns if no other one serves a version that a pending execution has."""
    two = module({"flow": WRITTEN, "other": WRITTEN}, version=2)
    deploy(bare_stack, "old", tmp_path, module({"flow": WRITTEN, "other": WRITTEN}))
    deploy(bare_stack, "old-2", tmp_path, module({"flow": WRITTEN}))
    deploy(bare_stack, "new", tmp_path, two)
    bare_stack.create(job, "flow", seconds=300)
    bare_stack.suspended(job)

    assert warnings_of(bare_stack, "old") == []
    bare_stack.workers["new"].kill()
    assert warnings_of(bare_stack, "old-2") == [("flow", 1)]
