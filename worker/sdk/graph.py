"""The graph of one execution in the SDK, in place of the SDK's own, which slows down as it grows.

The SDK walks its whole graph several times for each event, so a body of n steps costs n². Here:
1. A node is found by its id in a dictionary.
2. The nodes in each state that matters are kept apart, so only these are walked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from resonate.graph import Graph, Node
from resonate.scheduler import Completed, Computation, Enabled

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from resonate.scheduler import State

DEFAULT: Final = "default"
"""The edge from a node to those that it has begun."""


class IndexedNode(Node[Any]):
    """A node that tells its graph in which state it is."""

    graph: IndexedGraph[Any] | None = None

    def transition(self, value: Any) -> None:
        super().transition(value)
        if self.graph is not None:
            self.graph.note(self)

    def add_edge(self, node: Node[Any], edge: str = DEFAULT) -> None:
        """Take the node into this one's graph; no edge is kept, since nothing reads them."""
        if edge == DEFAULT and isinstance(node, IndexedNode) and self.graph is not None:
            self.graph.add(node)


class _Asked:
    """Stands in for a node, to learn the id that a predicate compares with a node's id."""

    class _Id:
        other: object = None

        def __eq__(self, other: object) -> bool:
            self.other = other
            return False

        __hash__ = None  # type: ignore[assignment]

    def __init__(self) -> None:
        self.id = self._Id()


class IndexedGraph[T](Graph[T]):
    """The nodes of one execution. Walking it costs as much as there is to do."""

    def __init__(self, id: str, root: Any) -> None:
        self.id = id
        self.root = IndexedNode(id, root)
        self.nodes: dict[str, IndexedNode] = {}
        self.running: dict[str, IndexedNode] = {}
        self._blocked: set[str] = set()
        self._suspended: dict[str, IndexedNode] = {}
        self.add(self.root)

    @property
    def suspendable(self) -> bool:
        """Whether nothing is to be done until a promise of another execution has ended."""
        return not self.running and not self._blocked

    def add(self, node: IndexedNode) -> None:
        if node.graph is None:
            node.graph = self
            self.nodes[node.id] = node
            self.note(node)

    def note(self, node: IndexedNode) -> None:
        """Note that the node's state has changed."""
        id, state = node.id, node.value
        for states in (self.running, self._suspended):
            states.pop(id, None)
        self._blocked.discard(id)
        if state.running:
            self.running[id] = node
        elif not state.suspended:
            self._blocked.add(id)
        elif not (isinstance(state, Enabled) and isinstance(state.exec, Completed)):
            self._suspended[id] = node

    def find(
        self,
        func: Callable[[Node[Any]], bool],
        edge: str = DEFAULT,  # noqa: ARG002 - the SDK's signature
    ) -> Node[Any] | None:
        """Return the node that a predicate looks for, which compares the ids of nodes with one."""
        asked: Any = _Asked()
        func(asked)
        return self.nodes.get(asked.id.other)

    def traverse(self, edge: str = DEFAULT) -> Generator[Node[Any]]:  # noqa: ARG002 - as above
        """Yield the nodes with which the scheduler goes on: those that are running.

        If there are none, yield those that wait for promises of other executions.
        """
        yield from list((self.running or self._suspended).values())


class IndexedComputation(Computation):
    """One execution, whose graph knows whether anything is to be done."""

    graph: IndexedGraph[State]

    def runnable(self) -> bool:
        return bool(self.graph.running)

    def suspendable(self) -> bool:
        return self.graph.suspendable
