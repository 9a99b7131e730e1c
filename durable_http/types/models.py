"""Pydantic models, if the user's code has imported Pydantic: it is never imported first here."""

from __future__ import annotations

import inspect
import sys
from typing import Any

import orjson

from durable_http.types.errors import UnusableAnnotation


class ModelFault(ValueError):
    """A value that a model does not take; `place` leads from the value to what is wrong in it.

    `by_code` is whether a validator of the model has refused it.
    """

    def __init__(self, place: tuple[str | int, ...], message: str, *, by_code: bool) -> None:
        super().__init__(message)
        self.place = place
        self.message = message
        self.by_code = by_code


def is_model(type: Any) -> bool:
    """Return whether a type is a model of Pydantic 2."""
    pydantic = sys.modules.get("pydantic")
    return pydantic is not None and inspect.isclass(type) and issubclass(type, pydantic.BaseModel)


def validated(model: Any, value: Any) -> Any:
    """Return a JSON value as a model. Raises `ModelFault`."""
    from pydantic import ValidationError  # noqa: PLC0415 - the model has imported it

    # From text, so that a strict model takes the text of a date for a date.
    try:
        return model.model_validate_json(orjson.dumps(value))
    except ValidationError as error:
        fault = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = _existing(fault["loc"], value)
        missing = ".".join(map(str, fault["loc"][len(place) :]))
        message = f"{missing}: {fault['msg']}" if missing else fault["msg"]
        by_code = fault["type"] in {"value_error", "assertion_error"}
        raise ModelFault(place, message, by_code=by_code) from error


def _existing(place: tuple[str | int, ...], value: Any) -> tuple[str | int, ...]:
    """Return the part of a place that is in the value."""
    for number, name in enumerate(place):
        try:
            value = value[name]
        except (LookupError, TypeError):
            return place[:number]
    return place


def model_schemas(models: list[Any], prefix: str) -> tuple[dict[Any, str], dict[str, Any]]:
    """Return the name of each model, and all schemas by name; names start with the prefix.

    Raises `UnusableAnnotation` for a model that has no schema.
    """
    from pydantic import PydanticUndefinedAnnotation, PydanticUserError  # noqa: PLC0415
    from pydantic.json_schema import models_json_schema  # noqa: PLC0415

    template = f"#/$defs/{prefix}{{model}}"
    try:
        references, schemas = models_json_schema(
            [(model, "validation") for model in models], ref_template=template
        )
    except (PydanticUserError, PydanticUndefinedAnnotation) as error:
        raise UnusableAnnotation(str(error)) from error
    names = {
        model: reference["$ref"].removeprefix("#/$defs/")
        for (model, _), reference in references.items()
    }
    return names, {f"{prefix}{name}": each for name, each in schemas["$defs"].items()}
