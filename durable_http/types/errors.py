"""What is wrong with an annotation, or with a value for one."""

from __future__ import annotations


class UnusableAnnotation(TypeError):
    """An annotation that cannot be evaluated, or that JSON has no form for."""


class InvalidValue(ValueError):
    """A value that its type does not allow.

    `pointer` is the JSON pointer (RFC 6901) of the place that is wrong. `by_code` is whether the
    type's own code has refused it, a validator or `__post_init__`, which checks more than a schema
    says.
    """

    def __init__(self, pointer: str, message: str, *, by_code: bool = False) -> None:
        super().__init__(f"{message} at {pointer}" if pointer else message)
        self.pointer = pointer
        self.message = message
        self.by_code = by_code
