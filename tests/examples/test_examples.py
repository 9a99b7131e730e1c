"""The examples, run against a whole service."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from typing import TYPE_CHECKING

import pytest

from tests.support.processes import ROOT
from tests.support.scripted_server import Answer as ScriptedAnswer
from tests.support.scripted_server import serving
from tests.support.stack import SHIPPED_MODULES, running_stack

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.stack import Stack


@pytest.fixture(name="stack", scope="module")
def _stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running_stack(
        tmp_path_factory.mktemp("stack"), workers=2, modules=SHIPPED_MODULES
    ) as stack:
        yield stack


@pytest.fixture(name="job")
def _job() -> str:
    return f"job-{uuid.uuid4().hex[:12]}"


def run(stack: Stack, *command: str) -> subprocess.CompletedProcess[str]:
    """Run an example to its end."""
    return run_against(stack.url, *command)


def run_against(url: str, *command: str) -> subprocess.CompletedProcess[str]:
    """Run an example to its end; `url` is the gateway's."""
    return subprocess.run(
        command,
        cwd=ROOT / "examples",
        env={"PATH": os.environ["PATH"], "BASE_URL": url},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_script_prints_the_result(stack: Stack, job: str) -> None:
    """The script prints the result; a second run joins the same execution."""
    first = run(stack, "./poll.sh", job, "checkout", '{"pace": 0.2}')
    again = run(stack, "./poll.sh", job, "checkout", '{"pace": 0.2}')

    assert (first.returncode, first.stderr) == (0, "")
    assert json.loads(first.stdout)["order"] == job
    assert again.stdout == first.stdout


@pytest.mark.parametrize(
    ("function", "body", "slug"),
    [
        ("checkout", '{"pace": 0, "fail": "ship"}', "execution-rejected"),
        ("nothing", "", "unknown-function"),
        ("checkout", '{"pace": "x"}', "invalid-input"),
    ],
)
def test_the_script_fails_with_the_problem(
    stack: Stack, job: str, function: str, body: str, slug: str
) -> None:
    """A failed request or execution is printed as a problem, with exit code 1."""
    done = run(stack, "./poll.sh", job, function, body)

    assert (done.returncode, done.stdout) == (1, "")
    assert json.loads(done.stderr)["type"] == f"/problems/{slug}"


@pytest.mark.parametrize("status", [429, 502, 503])
def test_the_script_repeats_what_may_be_repeated(status: int, job: str) -> None:
    """After an answer that says nothing of the execution the script sends the request again."""
    with serving(ScriptedAnswer(status), ScriptedAnswer(202), ScriptedAnswer(200, b'"done"')) as it:
        done = run_against(f"http://127.0.0.1:{it.server_port}", "./poll.sh", job, "checkout")

    assert (done.returncode, done.stdout) == (0, '"done"\n')
    begin = f"/begin?id={job}&function=checkout"
    assert [request.path for request in it.requests] == [begin, begin, f"/result?id={job}"]


def test_the_client_shows_events_and_outcome(stack: Stack, job: str) -> None:
    """The client prints every event up to `done`, then the state."""
    done = run(stack, sys.executable, "client.py", job, "checkout", '{"pace": 0.2}')

    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert [line for line in lines if line.startswith("done ")] == [lines[-2]]
    assert sum(line.startswith("step ") for line in lines) == 10
    assert "'status': 'resolved'" in lines[-1]
