"""Classes with which several tests of types work."""

from dataclasses import dataclass

import msgspec


class Item(msgspec.Struct):
    """What is sold."""

    sku: str
    count: int = 1
    tags: list[str] = []


@dataclass
class Even:
    """A dataclass that checks its number."""

    number: int

    def __post_init__(self) -> None:
        if self.number % 2:
            raise ValueError("the number must be even")
        if self.number == 0:
            raise KeyError("zero")
        if self.number < 0:
            raise SystemExit("negative")
