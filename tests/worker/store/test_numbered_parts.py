"""The numbers and the names of an execution's parts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from durable_http import Context, Step
from durable_http.commands import part_of
from shared.resonate import tags as tag
from worker.store.numbered_parts import number_of, numbered_id, part_name

if TYPE_CHECKING:
    from durable_http.commands import Command

CONTEXT = Context("job")


def reserve(step: Step) -> str:
    """Return a name."""
    return step.name


@pytest.mark.parametrize(
    ("id", "number"),
    [
        ("job.1", 1),
        ("job.1000", 1000),
        ("job", None),
        ("job.signal.go", None),
        ("job.signal.go.2", None),
        ("job.attempt.2", None),
        ("job.1.2", None),
        ("job.1.failed.1.1", None),
        ("job.", None),
        ("job1", None),
        ("other.1", None),
        ("job.blocked.1", None),
        ("job.²", None),
    ],
)
def test_only_parts_have_numbers(id: str, number: int | None) -> None:
    """The execution, its signals, its records and the parts of its children have none."""
    assert number_of("job", id) == number


@pytest.mark.parametrize("execution", ["job", "job.1.2", "a_b", "7"])
def test_a_number_is_found_in_its_id(execution: str) -> None:
    """The id of a part has its number, also in a child, and where the execution's id is one."""
    assert numbered_id(execution, 12) == f"{execution}.12"
    assert number_of(execution, numbered_id(execution, 12)) == 12
    assert number_of(execution, execution) is None


@pytest.mark.parametrize(
    ("tags", "command"),
    [
        ({tag.STEP: "reserve"}, CONTEXT.step(reserve)),
        ({tag.AWAITS: "go", tag.NUMBER: "2"}, CONTEXT.signal("go", timeout=1)),
        ({tag.CHANGED: "a b"}, CONTEXT.changed("a b")),
        ({tag.KIND: tag.CHILD, tag.FUNCTION: "order"}, CONTEXT.begin("order")),
        ({tag.PROGRESS: "1/2"}, CONTEXT.progress(1, 2)),
        ({tag.SLEEP: "true"}, CONTEXT.sleep(1)),
    ],
)
def test_a_stored_part_is_named_as_its_command(tags: dict[str, str], command: Command) -> None:
    """What is stored is compared by name with what is asked for; a claim's tags do not count."""
    claim = {tag.WORKER: "a", tag.REPORTED: "1/2", tag.POSITION: "5", tag.EXECUTION: "job"}

    assert part_name({**claim, **tags}) == part_of(command)


@pytest.mark.parametrize(
    "tags", [{}, {tag.KIND: tag.EXECUTION, tag.FUNCTION: "order"}, {tag.SIGNAL: "go"}]
)
def test_what_is_no_part_has_no_name(tags: dict[str, str]) -> None:
    """An execution of a client, a signal's value and an earlier release's part have no name."""
    assert part_name(tags) is None
