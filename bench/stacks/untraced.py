"""A gateway that asks for no spans at all: `python -m bench.stacks.untraced`.

A gateway that sends no traces asks for spans all the same, and gets some that do nothing. This one
is the same program without the statements about spans in what each request and each call of the
server pass.
"""

from __future__ import annotations

import ast
import inspect
import sys
import textwrap
from typing import TYPE_CHECKING, Any, Final

from gateway.http import middleware
from shared.resonate.transport import Transport

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

NAMES: Final = frozenset({"span", "tracing", "NO_SPAN"})

SPANLESS: Final = ((middleware, "_identify"), (middleware, "surround"), (Transport, "_once"))
"""The functions that each begin passes and that make spans, with what they belong to."""


class _WithoutSpans(ast.NodeTransformer):
    """Leaves out statements that make or use a span; where one is returned it is None."""

    def __init__(self) -> None:
        self.left_out = 0

    def visit_Assign(self, node: ast.Assign) -> Any:
        return self._unless_named(node, [node.value])

    def visit_Expr(self, node: ast.Expr) -> Any:
        return self._unless_named(node, [node.value])

    def visit_With(self, node: ast.With) -> Any:
        body = [self.visit(each) for each in node.body]
        return self._unless_named(node, [item.context_expr for item in node.items]) or body

    def visit_Name(self, node: ast.Name) -> Any:
        is_span = node.id == "span" and isinstance(node.ctx, ast.Load)
        return ast.copy_location(ast.Constant(None), node) if is_span else node

    def _unless_named(self, node: ast.stmt, parts: Iterable[ast.expr]) -> ast.stmt | None:
        found = (each for part in parts for each in ast.walk(part) if isinstance(each, ast.Name))
        if not NAMES.isdisjoint(each.id for each in found):
            self.left_out += 1
            return None
        self.generic_visit(node)
        return node


def without_spans(function: Callable[..., Any]) -> Any:
    """Return the function without its statements about spans. Raises `ValueError` if it has none.

    Annotations stay unread, as in the function's own module.
    """
    tree, leaving_out = ast.parse(textwrap.dedent(inspect.getsource(function))), _WithoutSpans()
    leaving_out.visit(tree)
    if not leaving_out.left_out:
        raise ValueError(f"{function.__qualname__} has nothing to do with spans")
    made: dict[str, Any] = {}
    exec(
        compile(tree, inspect.getfile(function), "exec"),
        vars(sys.modules[function.__module__]),
        made,
    )
    return made[function.__name__]


def main() -> int:
    """Run the gateway, and return its exit code."""
    for owner, name in SPANLESS:
        setattr(owner, name, without_spans(getattr(owner, name)))
    # Only now, since others take `surround` when they are imported.
    from gateway.__main__ import main as run  # noqa: PLC0415

    return run()


if __name__ == "__main__":
    sys.exit(main())
