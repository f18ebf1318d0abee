"""Base of the spec models, and the rules across fields.

A rule is stated once, as a CEL expression for the API server and as a function for the models,
with one message for both.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    GetJsonSchemaHandler,
    ValidationError,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic.config import JsonDict
from pydantic_core import CoreSchema, InitErrorDetails

from canary_operator.domain.spec.kind import CEL_RULES, broken_rule

Place = tuple[str | int, ...]
"""Where in an object, in the words of the user: `("steps", 1, "weight")`."""

HERE: Place = ()

KEYED_BY_NAME: JsonDict = {
    "x-kubernetes-list-type": "map",
    "x-kubernetes-list-map-keys": ["name"],
}
"""Schema of lists that server-side apply merges entry by entry."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Something that must hold across the fields of one object."""

    message: str
    """What must be, as the rest of a sentence."""
    cel: str | None
    """True when the rule is kept; `self` is the object. None for what a CRD cannot express."""
    broken_at: Callable[[Any], Iterable[Place]]
    """Places in the model where the rule is broken; `HERE` is the object as a whole."""


class Written(BaseModel):
    """Base of everything that a user writes: frozen, camelCase outside, nothing unknown."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        use_attribute_docstrings=True,
    )

    rules: ClassVar[tuple[Rule, ...]] = ()

    @model_validator(mode="before")
    @classmethod
    def _null_is_absent(cls, value: Any) -> Any:
        """Drop known fields that are null, as the API server does."""
        if not isinstance(value, Mapping):
            return value
        known = {field.alias for field in cls.model_fields.values()}
        return {key: one for key, one in value.items() if one is not None or key not in known}

    @model_validator(mode="after")
    def _keep_rules(self) -> Self:
        errors = [
            InitErrorDetails(type=broken_rule(rule.message), loc=place, input=self)
            for rule in self.rules
            for place in rule.broken_at(self)
        ]
        if errors:
            raise ValidationError.from_exception_data(type(self).__name__, errors)
        return self

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """Add the rules to the schema."""
        schema = handler(core)
        rules = [{"rule": rule.cel, "message": rule.message} for rule in cls.rules if rule.cel]
        if rules:
            handler.resolve_ref_schema(schema)[CEL_RULES] = rules
        return schema


class Open(Written):
    """Base of parts of the pod template: the named fields are checked, all others are allowed."""

    model_config = ConfigDict(extra="allow")


def exactly_one_of(*fields: str) -> Rule:
    """Return the rule that an object has one of `fields`, which are alternatives."""
    names = [to_camel(field) for field in fields]
    present = ", ".join(f"has(self.{name})" for name in names)
    words = f"exactly one of {', '.join(names[:-1])} and {names[-1]}" if names[1:] else names[0]

    def broken_at(model: Any) -> Iterable[Place]:
        given = [field for field in fields if getattr(model, field) is not None]
        return [] if len(given) == 1 else [HERE]

    return Rule(f"must have {words}", f"[{present}].exists_one(given, given)", broken_at)


def unique(list_field: str, key: str | None = None) -> Rule:
    """Return the rule that no two entries of a list are equal, or have the same `key`."""
    name, part = to_camel(list_field), key and to_camel(key)
    entries, below = f"self.{name}", f".{part}" if part else ""
    cel = (
        f"!has({entries}) || {entries}.all(one, "
        f"{entries}.exists_one(other, other{below} == one{below}))"
    )

    def broken_at(model: Any) -> Iterable[Place]:
        seen = set()
        for index, entry in enumerate(getattr(model, list_field)):
            value = getattr(entry, key) if key else entry
            if value in seen:
                yield (name, index, part) if part else (name, index)
            seen.add(value)

    return Rule(f"every {part or 'entry'} in {name} must be unique", cel, broken_at)


def plain(value: Any) -> Any:
    """Return a copy of JSON-like data that is made of dicts and lists only."""
    match value:
        case Mapping():
            return {key: plain(item) for key, item in value.items()}
        case list() | tuple():
            return [plain(item) for item in value]
        case _:
            return value
