"""JSON Schemas (2020-12) of annotations.

A schema lets through what can be converted. msgspec's own schemas say less than its conversion
asks for: they have no word about the form of dates or the values of enumerated keys.
"""

from __future__ import annotations

import inspect
import re
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import inspect as info

from durable_http.types.encoding import to_json_default
from durable_http.types.errors import UnusableAnnotation
from durable_http.types.models import is_model, model_schemas
from durable_http.types.refusals import check_limits, check_record, refusal_of
from durable_http.types.scalars import given, scalar_schema

if TYPE_CHECKING:
    from collections.abc import Callable

    from durable_http.types.refusals import Record
    from durable_http.types.scalars import Schema


def schema_of(annotation: Any) -> Schema:
    """Return the schema of an annotation.

    Raises `UnusableAnnotation`, and what the evaluation of annotations in its classes raises.
    """
    check_limits(annotation)
    return _Schemas().complete(info.type_info(annotation))


class _Schemas:
    """Makes the schema of one annotation, with a definition for each class in it."""

    def __init__(self) -> None:
        self._names: dict[Any, str] = {}
        self._definitions: dict[str, Schema] = {}
        self._references: dict[Any, list[Schema]] = {}
        """Of the models, which are named when all are known."""

    def complete(self, tree: info.Type) -> Schema:
        schema = self._of(tree)
        self._add_models()
        if not self._definitions:
            return schema
        return schema | {"$defs": self._definitions}

    def _add_models(self) -> None:
        if not self._references:
            return
        models = list(self._references)
        names, schemas = model_schemas(models, "")
        if schemas.keys() & self._definitions.keys():
            names, schemas = model_schemas(models, "pydantic.")
        self._definitions |= schemas
        for model, references in self._references.items():
            for reference in references:
                reference["$ref"] = f"#/$defs/{names[model]}"

    def _of(self, tree: info.Type) -> Schema:  # noqa: PLR0911 - one case each
        scalar = scalar_schema(tree)
        if scalar is not None:
            return scalar
        match tree:
            case info.Metadata(type=inner, extra_json_schema=extra):
                schema = self._of(inner)
                schema |= extra or {}
                return schema
            case info.UnionType(types=types):
                return {"anyOf": [self._of(each) for each in types]}
            case info.ListType() | info.VarTupleType():
                items = self._of(tree.item_type)
                return {"type": "array"} | given(
                    items=items or None, minItems=tree.min_length, maxItems=tree.max_length
                )
            case info.TupleType(item_types=types):
                return _array([self._of(each) for each in types], len(types), closed=True)
            case info.DictType():
                return self._dict(tree)
            case info.EnumType(cls=enumeration):
                return self._definition(enumeration, lambda: _members(enumeration))
            case (
                info.StructType()
                | info.DataclassType()
                | info.TypedDictType()
                | info.NamedTupleType()
            ):
                return self._definition(tree.cls, lambda: self._record(tree))
            case info.CustomType(cls=cls):
                return self._custom(cls)
            case _:
                raise refusal_of(tree)

    def _dict(self, tree: info.DictType) -> Schema:
        names = self._of(tree.key_type)
        if names.pop("type", "string") != "string" or not _is_text(tree.key_type):
            raise UnusableAnnotation("the keys of JSON objects are strings; use str for keys")
        return {"type": "object"} | given(
            propertyNames=names or None,
            additionalProperties=self._of(tree.value_type) or None,
            minProperties=tree.min_length,
            maxProperties=tree.max_length,
        )

    def _custom(self, cls: Any) -> Schema:
        if cls is object:
            return {}
        if not is_model(cls):
            raise UnusableAnnotation(
                f"{_name(cls)} has no JSON form; use a dataclass, a msgspec Struct, a TypedDict"
                " or a Pydantic model"
            )
        reference: Schema = {"$ref": ""}
        self._references.setdefault(cls, []).append(reference)
        return reference

    def _definition(self, cls: Any, make: Callable[[], Schema]) -> Schema:
        """Return a reference to the definition of a class, which is made if it is new."""
        name = self._names.get(cls)
        if name is None:
            name = self._names[cls] = self._free_name(cls)
            self._definitions[name] = {}  # keeps the name while classes in it get theirs
            about = given(title=_name(cls), description=_description(cls))
            self._definitions[name] = about | make()
        return {"$ref": f"#/$defs/{name}"}

    def _free_name(self, cls: Any) -> str:
        name = re.sub(r"[^A-Za-z0-9._-]+", "_", _name(cls)).strip("_")
        free, number = name, 1
        while free in self._definitions:
            number += 1
            free = f"{name}.{number}"
        return free

    def _record(self, tree: Record) -> Schema:
        check_record(tree)
        schemas: dict[str, Schema] = {}
        required: list[str] = []
        if isinstance(tree, info.StructType) and tree.tag_field is not None:
            schemas[tree.tag_field] = {"const": tree.tag}
            required.append(tree.tag_field)
        for field in tree.fields:
            schemas[field.encode_name] = self._of(field.type)
            schemas[field.encode_name] |= _default(field)
            if field.required:
                required.append(field.encode_name)
        closed = isinstance(tree, info.StructType) and tree.forbid_unknown_fields
        if isinstance(tree, info.NamedTupleType):
            return _array(list(schemas.values()), len(required), closed=True)
        if isinstance(tree, info.StructType) and tree.array_like:
            # A field without a default may follow one that has a default.
            least = max((n for n, name in enumerate(schemas, 1) if name in required), default=0)
            return _array(list(schemas.values()), least, closed=closed)
        return {"type": "object", "properties": schemas} | given(
            required=required or None, additionalProperties=False if closed else None
        )


def _members(enumeration: Any) -> Schema:
    return {"enum": [member.value for member in enumeration]}


def _array(items: list[Schema], least: int, *, closed: bool) -> Schema:
    most = len(items) if closed else None
    return {"type": "array"} | given(prefixItems=items or None, minItems=least, maxItems=most)


def _is_text(tree: info.Type) -> bool:
    while isinstance(tree, info.Metadata):
        tree = tree.type
    if isinstance(tree, info.LiteralType):
        return all(isinstance(each, str) for each in tree.values)
    return isinstance(tree, (info.StrType, info.AnyType))


def _default(field: info.Field) -> Schema:
    if field.default_factory in (list, dict):
        return {"default": field.default_factory()}
    if field.default is msgspec.NODEFAULT:
        return {}
    try:
        default = msgspec.to_builtins(field.default, str_keys=True, enc_hook=to_json_default)
    except TypeError:
        return {}  # it is only a remark
    return {"default": default}


def _name(cls: Any) -> str:
    origin = getattr(cls, "__origin__", None)
    if origin is None:
        return str(getattr(cls, "__name__", cls))
    return f"{origin.__name__}[{', '.join(map(_name, cls.__args__))}]"


def _description(cls: Any) -> str | None:
    """Return the class's own docstring, without what `dataclass` or `NamedTuple` make for it."""
    plain = getattr(cls, "__origin__", cls)
    text = vars(plain).get("__doc__")
    if not text or text.startswith(f"{plain.__name__}("):
        return None
    return inspect.cleandoc(text)
