"""Workers that do not know the function of a child that was begun leave its parent to others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from tests.support.flows import blocked, deploy, module, result

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.stack import Stack

CHILD: Final = "\n    return (yield context.signal('go', timeout=300))\n"
CALLED: Final = "\n    return (yield context.call('cut'))\n"
CAUGHT: Final = """
    try:
        return (yield context.call('cut'))
    except ValueError:
        return 'refused'
"""


@pytest.mark.parametrize("parent", [CALLED, CAUGHT], ids=["called", "caught"])
def test_a_parent_waits_for_a_worker_that_knows_its_child(
    bare_stack: Stack, tmp_path: Path, job: str, parent: str
) -> None:
    """A parent whose child was begun neither fails nor takes another way on other workers."""
    both = module({"cut": CHILD, "parent": parent})
    deploy(bare_stack, "both", tmp_path, both)
    bare_stack.create(job, "parent", seconds=300)
    bare_stack.suspended(f"{job}.1")
    bare_stack.suspended(job)
    bare_stack.workers["both"].kill()
    with bare_stack.store() as store:
        store.promises.cancel(f"{job}.1", ikey="end")

    deploy(bare_stack, "parent", tmp_path, module({"parent": parent}))
    record = blocked(bare_stack, job)

    assert record == {
        "expected": "child cut",
        "found": "child cut: there is no function cut; known are parent",
        "version": 1,
    }
    deploy(bare_stack, "again", tmp_path, both)
    bare_stack.workers["parent"].end()
    state, failure = result(bare_stack, job)
    assert state == "REJECTED"
    assert "Canceled" in failure
