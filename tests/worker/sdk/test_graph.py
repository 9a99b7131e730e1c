"""The SDK's graph of an execution: what costs as much as there is to do, however long it is."""

from __future__ import annotations

from typing import Any

from resonate.models.result import Ok
from resonate.scheduler import Blocked, Completed, Enabled, Init, Running, Suspended

from worker.sdk.graph import IndexedGraph, IndexedNode


class Call:
    """A call of the SDK, of which only the result matters here."""

    result = Ok(None)


def state_of(name: str) -> Any:
    """Return a state of the SDK's nodes."""
    call: Any = Call()
    return {
        "running": Enabled(Running(call)),
        "blocked": Blocked(Running(call)),
        "suspended": Enabled(Suspended(call)),
        "completed": Enabled(Completed(call)),
    }[name]


def graph_of(**states: str) -> IndexedGraph[Any]:
    """Return a graph with a root that waits, and nodes in these states."""
    graph = IndexedGraph[Any]("job", state_of("suspended"))
    for id, state in states.items():
        node = IndexedNode(id, Enabled(Suspended(Init())))
        graph.root.add_edge(node)
        node.transition(state_of(state))
    return graph


def test_a_node_is_found_by_its_id() -> None:
    """Nodes are found as the SDK looks for them; others are not there."""
    graph = graph_of(a="completed", b="running")

    assert graph.find(lambda node: node.id == "a") is graph.nodes["a"]
    assert graph.find(lambda node: node.id == "job") is graph.root
    assert graph.find(lambda node: node.id == "c") is None


def test_only_what_is_to_be_done_is_walked() -> None:
    """Running nodes are walked; without any, those that wait. Completed ones never are."""
    graph = graph_of(a="completed", b="running", c="suspended", d="blocked")

    assert [node.id for node in graph.traverse()] == ["b"]
    graph.nodes["b"].transition(state_of("completed"))
    assert [node.id for node in graph.traverse()] == ["job", "c"]


def test_an_execution_is_suspended_when_nothing_runs() -> None:
    """Neither a running node nor one that waits for this process may be left."""
    assert not graph_of(a="running").suspendable
    assert not graph_of(a="blocked").suspendable
    assert graph_of(a="suspended", b="completed").suspendable


def test_nodes_that_change_while_they_are_walked() -> None:
    """What becomes running during a walk is walked next time."""
    graph = graph_of(a="running", b="suspended")

    for node in graph.traverse():
        graph.nodes["b"].transition(state_of("running"))
        node.transition(state_of("completed"))

    assert [node.id for node in graph.traverse()] == ["b"]
