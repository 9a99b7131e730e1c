"""Executions whose code is changed while they wait go on with fitting code only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.flows import CHANGES, FOUND, WRITTEN, blocked, deploy, module, result
from tests.support.processes import call

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.stack import Stack


def test_changed_code_waits_for_the_code_that_was_written(
    bare_stack: Stack, tmp_path: Path, job: str
) -> None:
    """No execution goes on with other code, and each goes on when its own is back."""
    written = module(dict.fromkeys(CHANGES, WRITTEN))
    deploy(bare_stack, "written", tmp_path, written)
    for name in CHANGES:
        bare_stack.create(f"{job}-{name}", name, seconds=300)
    for name in CHANGES:
        bare_stack.suspended(f"{job}-{name}")
    bare_stack.workers["written"].end()

    deploy(bare_stack, "changed", tmp_path, module(CHANGES))
    for name in CHANGES:
        assert call(f"{bare_stack.url}/signal?id={job}-{name}&name=go", "POST", 7).status == 202
    for name, (expected, found) in FOUND.items():
        record = blocked(bare_stack, f"{job}-{name}")
        assert record == {"expected": expected, "found": found, "version": 1}, name
    assert bare_stack.workers["changed"].events("step started") == []

    deploy(bare_stack, "back", tmp_path, written)
    bare_stack.workers["changed"].end()
    for name in CHANGES:
        assert result(bare_stack, f"{job}-{name}") == [1, 7, 2], name


def test_a_change_after_the_wait_is_taken(bare_stack: Stack, tmp_path: Path, job: str) -> None:
    """Code that was changed only where no execution has been runs at once."""
    deploy(bare_stack, "written", tmp_path, module({"flow": WRITTEN}))
    bare_stack.create(job, "flow", seconds=300)
    bare_stack.suspended(job)
    bare_stack.workers["written"].end()
    later = WRITTEN.replace("two =", "yield context.step(echo, 0, name='pack')\n    two =")

    deploy(bare_stack, "changed", tmp_path, module({"flow": later}))
    call(f"{bare_stack.url}/signal?id={job}&name=go", "POST", 7)

    assert result(bare_stack, job) == [1, 7, 2]
    assert [step for _, step in bare_stack.starts(job)] == ["reserve", "pack", "charge"]


def test_a_marked_change_runs_for_new_executions_only(
    bare_stack: Stack, tmp_path: Path, job: str
) -> None:
    """With `changed` one version has both orders of steps; each execution keeps its own."""
    deploy(bare_stack, "written", tmp_path, module({"flow": WRITTEN}))
    bare_stack.create(f"{job}-old", "flow", seconds=300)
    bare_stack.suspended(f"{job}-old")
    bare_stack.workers["written"].end()
    marked = WRITTEN.replace(
        "one =",
        "if (yield context.changed('quote-first')):\n"
        "        yield context.step(echo, 0, name='quote')\n    one =",
    )

    deploy(bare_stack, "changed", tmp_path, module({"flow": marked}))
    bare_stack.create(f"{job}-new", "flow", seconds=300)
    bare_stack.suspended(f"{job}-new")
    for name in ("old", "new"):
        call(f"{bare_stack.url}/signal?id={job}-{name}&name=go", "POST", 7)

    assert result(bare_stack, f"{job}-old") == result(bare_stack, f"{job}-new") == [1, 7, 2]
    assert [step for _, step in bare_stack.starts(f"{job}-old")] == ["reserve", "charge"]
    assert [step for _, step in bare_stack.starts(f"{job}-new")] == ["quote", "reserve", "charge"]


def test_an_execution_waits_for_its_version(bare_stack: Stack, tmp_path: Path, job: str) -> None:
    """An execution of a version that no worker knows is blocked, and ends when one comes."""
    deploy(bare_stack, "two", tmp_path, module({"flow": WRITTEN}, version=2))
    bare_stack.create(job, "flow", seconds=300)
    bare_stack.create(f"{job}-none", "no_such", seconds=300)
    record = blocked(bare_stack, job)
    none = blocked(bare_stack, f"{job}-none")

    deploy(bare_stack, "one", tmp_path, module({"flow": WRITTEN}))
    call(f"{bare_stack.url}/signal?id={job}&name=go", "POST", 7)

    assert record == {"expected": "flow version 1", "found": "flow version 2", "version": 1}
    assert none == {
        "expected": "no_such version 1",
        "found": "no function no_such",
        "version": 1,
    }
    assert result(bare_stack, job) == [1, 7, 2]


def test_versions_stand_side_by_side(bare_stack: Stack, tmp_path: Path, job: str) -> None:
    """One worker runs two versions of a function; children are begun with the newest."""
    both = module({"flow": WRITTEN}) + module(
        {"flow": "\n    return 'two'\n    yield\n"}, version=2
    )
    parent = "\n    return (yield context.call('flow'))\n"
    deploy(bare_stack, "both", tmp_path, both + module({"parent": parent}))
    bare_stack.create(job, "flow", seconds=300)
    bare_stack.create(f"{job}-parent", "parent", seconds=300)
    call(f"{bare_stack.url}/signal?id={job}&name=go", "POST", 7)

    assert result(bare_stack, job) == [1, 7, 2]
    assert result(bare_stack, f"{job}-parent") == "two"
