"""The catalog of durable functions, which a gateway knows without their code.

A manifest describes it: a JSON file that is written where the code is, and that gateways read.
"""

from __future__ import annotations

import codecs
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, Any, Final, Self

import msgspec
import orjson
from msgspec import Meta, Raw, Struct

from shared import webhooks
from shared.ids import SIGNAL_GRAMMAR

FORMAT: Final = 1
"""The number of the manifest's format."""

MAX_BYTES: Final = 16 * 1024 * 1024
"""Bytes that a manifest may have."""

MAX_FUNCTION_BYTES: Final = 1024 * 1024
"""Bytes that one function may have in it. A function is decoded, and its schema compiled, in one
piece, during which no other thread of the process can run."""

LARGEST_VERSION: Final = 1_000_000

LONGEST_TIMEOUT: Final = 365 * 24 * 60 * 60
"""Seconds that an execution may take."""

MESSAGE_LENGTH: Final = 300

FunctionName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,64}\Z")]
SignalName = Annotated[str, Meta(pattern=rf"^{SIGNAL_GRAMMAR.pattern}\Z")]


class CatalogError(ValueError):
    """A catalog cannot be used; the message is one line that says what is wrong, and where."""

    def __init__(self, message: str) -> None:
        line = " ".join(message.split())
        super().__init__(line if len(line) <= MESSAGE_LENGTH else f"{line[: MESSAGE_LENGTH - 1]}…")


class Function(Struct, frozen=True, forbid_unknown_fields=True):
    """One version of a function.

    `version` is stored with every execution: raise it when the steps change. Only executions can
    begin a `private` function, clients cannot. `timeout_seconds` is for executions that are begun
    without a timeout; None stands for the service's default. `default_input` is a JSON value, the
    input where a client sends no body. `input_schema` is a JSON Schema (2020-12) that every input
    must match before its execution is stored; `{}` matches everything. `signals` are the names
    that the function waits for, as far as it declares them.
    """

    name: FunctionName
    version: Annotated[int, Meta(ge=1, le=LARGEST_VERSION)]
    summary: str
    private: bool = False
    timeout_seconds: Annotated[float, Meta(ge=1, le=LONGEST_TIMEOUT)] | None = None
    default_input: Any = None
    input_schema: Mapping[str, Any] = msgspec.field(default_factory=dict)
    signals: tuple[SignalName, ...] = ()


class Limits(Struct, frozen=True, forbid_unknown_fields=True):
    """What the workers allow: seconds for an attempt of a step, bytes of JSON for a result.

    None is no limit.
    """

    step_timeout_seconds: Annotated[float, Meta(gt=0)] | None = None
    max_result_bytes: Annotated[int, Meta(ge=1)] | None = None


@dataclass(frozen=True)
class Catalog:
    """Functions by name and version; `default` is begun when a client names none.

    Raises `CatalogError` for a default that clients cannot begin.
    """

    versions: Mapping[tuple[str, int], Function]
    default: str | None = None
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        if self.default is None or self.default in self.public:
            return
        wrong = "private" if self.default in self.functions else "not in the catalog"
        raise CatalogError(f"the default function {self.default} is {wrong}")

    @classmethod
    def of(
        cls, *functions: Function, default: str | None = None, limits: Limits | None = None
    ) -> Self:
        """Make a catalog of functions. Raises `CatalogError`."""
        versions: dict[tuple[str, int], Function] = {}
        for function in functions:
            key = function.name, function.version
            if key in versions:
                raise CatalogError(f"{function.name} version {function.version} is there twice")
            versions[key] = function
        return cls(versions, default, limits or Limits())

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """Read a manifest. Raises `CatalogError`, except for an invalid schema of an input."""
        manifest = _decoded(raw)
        functions = [_function(number, entry) for number, entry in enumerate(manifest.functions)]
        return cls.of(*functions, default=manifest.default, limits=manifest.limits)

    @cached_property
    def functions(self) -> Mapping[str, Function]:
        """The newest version of each function by name: the one that is begun."""
        newest: dict[str, Function] = {}
        for function in self.versions.values():
            known = newest.get(function.name)
            if known is None or known.version < function.version:
                newest[function.name] = function
        return newest

    @cached_property
    def public(self) -> Mapping[str, Function]:
        """The functions that a client can begin."""
        return {name: each for name, each in self.functions.items() if not each.private}


class _Format(Struct):
    """The part of a manifest that all formats have."""

    format: int


class _Manifest(Struct, forbid_unknown_fields=True):
    """A manifest; its functions are not decoded yet."""

    format: int
    functions: Annotated[list[Raw], Meta(min_length=1)]
    default: str | None = None
    limits: Limits = msgspec.field(default_factory=Limits)


def _decoded(raw: bytes) -> _Manifest:
    if len(raw) > MAX_BYTES:
        raise CatalogError(f"it has more than {MAX_BYTES} bytes")
    try:
        raw.decode()
        raw = raw.removeprefix(codecs.BOM_UTF8)
        format = msgspec.json.decode(raw, type=_Format).format
        if format != FORMAT:
            raise CatalogError(f"its format is {format}; the known one is {FORMAT}")
        return msgspec.json.decode(raw, type=_Manifest)
    except UnicodeDecodeError as error:
        raise CatalogError(f"it is not UTF-8 at byte {error.start}") from error
    except RecursionError as error:
        raise CatalogError("it is nested too deep") from error
    except msgspec.DecodeError as error:
        raise CatalogError(_located("", error)) from error


def _function(number: int, raw: Raw) -> Function:
    where = f"functions[{number}]"
    if len(memoryview(raw)) > MAX_FUNCTION_BYTES:
        raise CatalogError(f"{where}: it has more than {MAX_FUNCTION_BYTES} bytes")
    try:
        function = msgspec.json.decode(raw, type=Function)
    except RecursionError as error:
        raise CatalogError(f"{where}: it is nested too deep") from error
    except msgspec.DecodeError as error:
        raise CatalogError(_located(where, error)) from error
    if function.name == webhooks.FUNCTION:
        raise CatalogError(f"{where}.name: the service has a function {function.name} of its own")
    try:
        orjson.dumps(function.default_input)
    except TypeError as error:
        raise CatalogError(f"{where}.default_input: it cannot be stored: {error}") from error
    return function


def _located(where: str, error: msgspec.DecodeError) -> str:
    """Return what is wrong after its place, which msgspec names relative to what it decoded."""
    what, _, path = str(error).partition(" - at `$")
    place = f"{where}{path.removesuffix('`')}".removeprefix(".")
    return f"{place}: {what}" if place else what
