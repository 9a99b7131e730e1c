"""What bodies and steps get is of the annotated type: at once, and again after a crash."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.support.flows import deploy, result

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.stack import Stack

SOURCE: Final = textwrap.dedent("""
    import dataclasses
    import typing
    from datetime import date, datetime

    import msgspec
    import pydantic

    from durable_http import Context, Step, Workflow, function

    class AsStruct(msgspec.Struct):
        day: date
        pair: tuple[int, str]

    @dataclasses.dataclass
    class AsDataclass:
        day: date
        pair: tuple[int, str]

    class AsDict(typing.TypedDict):
        day: date
        pair: tuple[int, str]

    class AsModel(pydantic.BaseModel):
        day: date
        pair: tuple[int, str]

    def shown(value):
        if isinstance(value, dict):
            return ["dict", repr(value["day"]), repr(value["pair"])]
        return [type(value).__name__, repr(value.day), repr(value.pair)]

    def declare(name, kind, make):
        def copy(step: Step, value: kind) -> kind:
            assert shown(value) == shown(make())
            return value

        def flow(context: Context, given: kind) -> Workflow[typing.Any]:
            first = yield context.step(copy, given)
            seen = [shown(given), shown(first)]
            go = yield context.signal("go", timeout=300)
            second = yield context.step(tell, seen)
            return first if go == "value" else second

        function(name=name)(flow)

    def tell(step: Step, seen: list) -> list:
        return seen

    PARTS = {"day": date(2026, 2, 3), "pair": (1, "a")}
    declare("as_struct", AsStruct, lambda: AsStruct(**PARTS))
    declare("as_dataclass", AsDataclass, lambda: AsDataclass(**PARTS))
    declare("as_dict", AsDict, lambda: dict(PARTS))
    declare("as_model", AsModel, lambda: AsModel(**PARTS))
""")

NAMES: Final = {
    "as_struct": "AsStruct",
    "as_dataclass": "AsDataclass",
    "as_dict": "dict",
    "as_model": "AsModel",
}
GIVEN: Final = {"day": "2026-02-03", "pair": [1, "a"]}


@pytest.mark.parametrize("killed", [False, True])
def test_four_kinds(bare_stack: Stack, tmp_path: Path, job: str, killed: bool) -> None:  # noqa: FBT001 - a parameter
    """Inputs and results of steps have their types; a crash in between changes nothing."""
    deploy(bare_stack, "worker", tmp_path, SOURCE)
    for name in NAMES:
        for wanted in ("seen", "value"):
            bare_stack.create(f"{job}-{name}-{wanted}", name, GIVEN, seconds=300)
    for name in NAMES:
        for wanted in ("seen", "value"):
            bare_stack.suspended(f"{job}-{name}-{wanted}")
    if killed:
        bare_stack.workers["worker"].kill()
        deploy(bare_stack, "worker-2", tmp_path, SOURCE)
    for name in NAMES:
        for wanted in ("seen", "value"):
            answer = bare_stack.signal(f"{job}-{name}-{wanted}", wanted, "go")
            assert answer.status == 202, answer

    for name, shown in NAMES.items():
        expected: list[Any] = [shown, "datetime.date(2026, 2, 3)", "(1, 'a')"]
        assert result(bare_stack, f"{job}-{name}-seen") == [expected, expected], name
        assert result(bare_stack, f"{job}-{name}-value") == GIVEN, name
