"""What is wrong with a spec, field by field, in sentences that say what to do."""

import difflib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from canary_operator.domain.spec.schema import Place, plain

Model = TypeVar("Model", bound=BaseModel)

LONGEST_VALUE = 60
"""Characters of a wrong value that are shown."""

MOST_LEVELS = 64
"""A pod template has some ten; not all that is deeper can be read (`adapters.cluster.nesting`)."""

_OF_A_KEY = ("[key]",)
"""Where pydantic says that the key of a map is wrong, and not its value."""

LONGEST_PLACE = 6
"""Parts of a place that are shown where it has too many."""

TOO_DEEP = (
    f"must not be nested deeper than {MOST_LEVELS} levels from spec down; "
    "no field of a pod is: remove it"
)

WORDS: Mapping[str, str] = {
    "rule": "{message}",
    "bool_type": "must be true or false",
    "dict_type": "must be an object with fields",
    "mapping_type": "must be an object with fields",
    "model_type": "must be an object with fields",
    "tuple_type": "must be a list",
    "too_short": "must have {min_length} or more entries",
    "too_long": "must have at most {max_length} entries",
    "literal_error": "must be {expected}",
}
"""What pydantic's kinds of errors mean to a user."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong."""

    place: Place
    """Where, from the root of the object: `("spec", "strategy", "steps", 1, "weight")`."""
    sentence: str
    """Field, value, and what is allowed, as one sentence."""


def find_problems(
    model: type[Model], raw: Mapping[str, Any], root: str = "spec"
) -> tuple[Model | None, tuple[Problem, ...]]:
    """Return the typed object, or None and everything that is wrong with it.

    Args:
        model: What the object has to be.
        raw: The object as the user wrote it.
        root: Name of the object in its surroundings.
    """
    if not isinstance(raw, Mapping):
        return None, (_problem((root,), raw, WORDS["model_type"]),)
    if deep := _too_deep(raw, (root,)):
        return None, (_problem(deep[:LONGEST_PLACE], {}, TOO_DEEP),)
    try:
        data = plain(raw)
        return model.model_validate(data, by_alias=True, by_name=False), ()
    except ValidationError as error:
        details = (each for each in error.errors() if not _is_echo(each))
        return None, tuple(_from_pydantic(model, data, each, root) for each in details)


def _too_deep(value: Any, place: Place) -> Place | None:
    """Return a place with too many levels above it; None where there is none."""
    if len(place) > MOST_LEVELS:
        return place
    named = value.items() if isinstance(value, Mapping) else ()
    listed = enumerate(value) if isinstance(value, list | tuple) else ()
    inside = (_too_deep(one, (*place, name)) for name, one in (*named, *listed))
    return next((found for found in inside if found), None)


def sentence(place: Place, value: Any, message: str) -> str:
    """Return what is wrong with one field.

    Example:
        >>> sentence(("spec", "replicas"), "3", "must be a whole number")
        'spec.replicas is "3", but must be a whole number.'
    """
    simple = not isinstance(value, Mapping | list | tuple)
    words = f"{path(place)} is {_shown(value)}, but {message}" if simple else None
    words = words or f"{path(place)} {message}"
    return words if words.endswith("?") else words + "."


def path(place: Place) -> str:
    """Return a place as the user would point at it.

    Example:
        >>> path(("spec", "strategy", "steps", 1, "weight"))
        'spec.strategy.steps[1].weight'
    """
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in place)
    return "".join(parts).removeprefix(".")


def _problem(place: Place, value: Any, message: str) -> Problem:
    return Problem(place, sentence(place, value, message))


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= LONGEST_VALUE else text[:LONGEST_VALUE] + "…"


def _is_echo(error: ErrorDetails) -> bool:
    """Whether a list is only too short because pydantic left its wrong entries out."""
    return error["type"] == "too_short" and len(error["input"]) >= error["ctx"]["min_length"]


def _from_pydantic(model: type[BaseModel], data: Any, error: ErrorDetails, root: str) -> Problem:
    place, kind = error["loc"], error["type"]
    full = (root, *place)
    if kind == "missing":
        return Problem(full, f"{path(full)} is required.")
    if kind == "extra_forbidden":
        return Problem(full, _unknown_field(model, place, path(full)))
    message = WORDS.get(kind, error["msg"]).format_map(error.get("ctx", {}))
    if place[-1:] == _OF_A_KEY:
        *above, key, _ = full
        shown = f"{path(tuple(above))} has an entry named {_shown(key)}, but such a name {message}"
        return Problem(tuple(above), f"{shown}.")
    return _problem(full, _value_at(data, place), message)


def _unknown_field(model: type[BaseModel], place: Place, full: str) -> str:
    known = _fields(_model_at(model, place[:-1]))
    close = difflib.get_close_matches(str(place[-1]), known, n=1)
    if close:
        return f"unknown field {full}; did you mean {close[0]}?"
    return f"unknown field {full}; known are {', '.join(known)}."


def _fields(model: type[BaseModel]) -> dict[str, Any]:
    """Return the fields of a model by the names that users write."""
    return {field.alias or name: field.annotation for name, field in model.model_fields.items()}


def _model_at(model: type[BaseModel], place: Place) -> type[BaseModel]:
    in_map = False
    for name in place:
        if isinstance(name, str) and not in_map:
            annotation = _fields(model)[name]
            model, in_map = _model_in(annotation) or model, get_origin(annotation) is Mapping
        else:
            in_map = False  # a place in a list, or a key
    return model


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """Return the model inside of `Model | None` or `tuple[Model, ...]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for arg in get_args(annotation) if (found := _model_in(arg))), None)


def _value_at(data: Any, place: Place) -> Any:
    for part in place:
        data = data[part]
    return data
