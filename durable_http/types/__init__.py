"""Types of inputs and results: their JSON Schemas, and the conversion of JSON to them.

A type is what an annotation says. Supported are

- `None`, `bool`, `int`, `float`, `str`, `Decimal`, `datetime`, `date`, `time`, `UUID`, `Any`;
- `list`, `tuple`, `dict` with keys that are strings, `Sequence`, `Mapping`;
- `Literal`, `Enum`, `X | None`, and unions whose members JSON can tell apart;
- msgspec Structs, dataclasses, named tuples, `TypedDict`, and Pydantic models (version 2);
- `Annotated` with `msgspec.Meta`, `NewType`, and `type` aliases that do not contain themselves.

Not supported are sets, whose order differs from process to process; bytes and `timedelta`, which
JSON does not have; unions of Pydantic models, unless a field or a `RootModel` holds them; Pydantic
dataclasses; and all other classes.

What a schema lets through can be converted, except by a Pydantic model or a `__post_init__`, which
may check more than a schema says.
"""

from durable_http.types.annotations import annotation_of, result_annotation
from durable_http.types.encoding import to_json_default
from durable_http.types.errors import InvalidValue, UnusableAnnotation
from durable_http.types.json_type import JsonType

__all__ = [
    "InvalidValue",
    "JsonType",
    "UnusableAnnotation",
    "annotation_of",
    "result_annotation",
    "to_json_default",
]
