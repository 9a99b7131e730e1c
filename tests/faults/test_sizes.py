"""Values of any size: what is too large is refused, once, and takes no other's memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.stack import running_stack

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.stack import Stack

MIB = 1024 * 1024


@pytest.fixture(name="sized", scope="module")
def _sized(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Yield a service whose one worker has functions of all sizes."""
    with running_stack(tmp_path_factory.mktemp("sized"), workers=0) as stack:
        stack.add_worker("odd", "tests.support.worker.odd")
        yield stack


def peak_mib(pid: int) -> float:
    """Return the most resident memory that a process ever had."""
    with open(f"/proc/{pid}/status", encoding="ascii") as status:  # noqa: PTH123 - no file
        kilobytes = next(line.split()[1] for line in status if line.startswith("VmHWM"))
    return int(kilobytes) / 1024


@pytest.mark.parametrize(
    ("function", "started"), [("bulky", 1), ("bulky_body", 1), ("bulky_parent", 0)]
)
def test_forty_mebibytes_never_reach_the_server(
    sized: Stack, job: str, function: str, started: int
) -> None:
    """A result or a child's input of 40 MiB ends its execution after one run, with its size."""
    sized.create(job, function, 40 * 1024)

    error = sized.outcome(job)["error"]

    assert error["type"] == "ResultTooLarge"
    assert f"has at least {40 * MIB + 2}" in error["message"] or function == "bulky_parent"
    assert error["message"].endswith("bytes of JSON; MAX_RESULT_BYTES allows 1048576")
    assert len(sized.starts(job)) == started
    assert peak_mib(sized.server.pid) < 100


def test_a_result_of_the_limit_is_stored(sized: Stack, job: str) -> None:
    """A result that is just as large as it may be arrives."""
    sized.create(job, "bulky", 1023)

    assert len(sized.outcome(job)["result"]) == 1023 * 1024


def test_infinity_in_a_result_is_refused_with_its_place(sized: Stack, job: str) -> None:
    """A result with an infinity ends its execution, and the client reads where that was."""
    sized.create(job, "returns_not_finite")

    error = sized.outcome(job)["error"]

    assert (error["type"], error["attempts"]) == ("NotJson", 1)
    assert error["message"] == "the result cannot be stored: -inf at $.rows[1].ratio is not JSON"


def test_the_name_of_an_error_is_cut(sized: Stack, job: str) -> None:
    """A class whose name has 10 MB is stored with the beginning of its name."""
    sized.create(job, "long_names")

    error = sized.outcome(job)["error"]

    assert error["type"] == "E" * 253 + "…"
