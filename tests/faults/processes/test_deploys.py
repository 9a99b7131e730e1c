"""Rolling deploys while hundreds of executions are under way lose and change no answer."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

from tests.support.flows import CHANGES, FOUND, WRITTEN, blocked, deploy, module, result
from tests.support.processes import call

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.stack import Stack

EACH: Final = 16
"""Executions of each function: 16 of 12 functions and 8 of another make 200."""

WORKERS: Final = 3
RIGHT: Final = [1, 7, 2]
"""What each execution returns with the code with which it was begun."""


def roll(stack: Stack, directory: Path, name: str, source: str, before: str | None) -> None:
    """Replace the workers of a deploy one by one."""
    for number in range(WORKERS):
        deploy(stack, f"{name}-{number}", directory, source)
        if before is not None:
            assert stack.workers[f"{before}-{number}"].stop() == 0


def test_a_deploy_and_its_return(bare_stack: Stack, tmp_path: Path, job: str) -> None:
    """200 executions wait while all steps change and a version is raised, and while all is undone.

    None is rejected and none has a wrong result. What cannot go on says so.
    """
    written = module(dict.fromkeys((*CHANGES, "raised"), WRITTEN))
    changed = module(CHANGES) + module({"raised": WRITTEN}, version=2)
    found = {**FOUND, "raised": ("raised version 1", "raised version 2")}
    ids = {
        f"{job}-{name}-{number}": name
        for name in (*CHANGES, "raised")
        for number in range(EACH if name in CHANGES else 8)
    }
    assert len(ids) == 200
    roll(bare_stack, tmp_path, "written", written, None)
    with ThreadPoolExecutor(16) as threads:
        list(threads.map(lambda id: bare_stack.create(id, ids[id], seconds=600), ids))
        list(threads.map(bare_stack.suspended, ids))

        roll(bare_stack, tmp_path, "changed", changed, "written")
        signals = [f"{bare_stack.url}/signal?id={id}&name=go" for id in ids]
        answers = list(threads.map(lambda url: call(url, "POST", 7).status, signals))
        records = list(threads.map(lambda id: blocked(bare_stack, id), ids))
        states = list(threads.map(bare_stack.state, ids))

        roll(bare_stack, tmp_path, "back", written, "changed")
        results = list(threads.map(lambda id: result(bare_stack, id), ids))

    assert Counter(answers) == {202: 200}
    for (id, name), record, state in zip(ids.items(), records, states, strict=True):
        expected, asked = found[name]
        assert record == {"expected": expected, "found": asked, "version": 1}, id
        assert state["phase"] == "blocked", id
        assert state["blocked"]["found"] == asked, id
    assert results == [RIGHT] * 200


def test_twenty_deploys_of_two_versions(bare_stack: Stack, tmp_path: Path, job: str) -> None:
    """Workers with one version each come and go 20 times; no execution of either is rejected."""
    sources = {version: module({"flow": WRITTEN}, version) for version in (1, 2)}
    ids: list[str] = []
    before: list[str] = []
    for turn in range(20):
        version = 1 + turn % 2
        name = f"turn-{turn}"
        deploy(bare_stack, name, tmp_path, sources[version])
        # The idle worker of the other version stays for one more turn, and is offered these too.
        ids += [f"{job}-{turn}-{number}" for number in range(3)]
        for id in ids[-3:]:
            bare_stack.create(id, "flow", seconds=600, version=version)
        before.append(name)
        if len(before) > 2:
            assert bare_stack.workers[before.pop(0)].stop() == 0
    for id in ids:
        assert call(f"{bare_stack.url}/signal?id={id}&name=go", "POST", 7).status == 202

    assert [result(bare_stack, id) for id in ids] == [RIGHT] * len(ids)
