"""Kinds of values in a spec: each states once what it allows, for the models and for the CRD.

A kind stands in an annotation, `Annotated[int, Whole(1, 100)]`. It reads what a user wrote
without guessing: text is no number and a number is no text, as the API server sees it too.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from canary_operator.domain.durations import (
    DURATION_LENGTH,
    DURATION_PATTERN,
    format_duration,
    parse_duration,
    suggest_duration,
)

MONTH = timedelta(days=30)
CEL_RULES = "x-kubernetes-validations"


def broken_rule(message: str) -> PydanticCustomError:
    """Return the error that a broken rule raises inside of a model."""
    return PydanticCustomError("rule", "{message}", {"message": message})


class Kind(ABC):
    """What a single value may be."""

    @property
    @abstractmethod
    def message(self) -> str:
        """What is allowed, as the rest of a sentence: `must be …`."""

    @abstractmethod
    def read(self, value: Any) -> Any:
        """Return the typed value.

        Raises:
            ValueError: it is not allowed.
        """

    @abstractmethod
    def schema(self) -> dict[str, Any]:
        """Return the OpenAPI schema of a value."""

    def hint(self, value: Any) -> str | None:  # noqa: ARG002 - most kinds have none
        """Return what was probably meant; None for no idea."""
        return None

    def write(self, value: Any) -> Any:
        """Return a typed value as the user would write it."""
        return value

    def cel(self, condition: str) -> dict[str, Any]:
        """Return the CEL rule that says the same as `read`, in the same words."""
        return {CEL_RULES: [{"rule": condition, "message": self.message}]}

    def _validate(self, value: Any) -> Any:
        try:
            return self.read(value)
        except ValueError:
            hint = self.hint(value)
            meant = f"; did you mean {hint}?" if hint else ""
            raise broken_rule(self.message + meant) from None

    def __get_pydantic_core_schema__(
        self, _source: Any, _handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """Tell pydantic how to read and write the value."""
        return core_schema.no_info_plain_validator_function(
            self._validate,
            serialization=core_schema.plain_serializer_function_ser_schema(
                self.write, when_used="json"
            ),
        )

    def __get_pydantic_json_schema__(
        self, _core: CoreSchema, _handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """Tell pydantic the schema."""
        return self.schema()


@dataclass(frozen=True, slots=True)
class Whole(Kind):
    """A whole number between two bounds."""

    least: int
    most: int

    @property
    def message(self) -> str:
        return f"must be a whole number from {self.least} to {self.most}"

    def read(self, value: Any) -> int:
        number = _number(value)
        if int(number) != number or not self.least <= number <= self.most:
            raise ValueError(self.message)
        return int(number)

    def schema(self) -> dict[str, Any]:
        return {"type": "integer", "minimum": self.least, "maximum": self.most}


@dataclass(frozen=True, slots=True)
class Number(Kind):
    """A number, where given above one bound and up to, or below, another."""

    above: float | None = None
    most: float | None = None
    below: float | None = None

    @property
    def message(self) -> str:
        bounds = {"above": self.above, "at most": self.most, "below": self.below}
        words = [f"{word} {bound:g}" for word, bound in bounds.items() if bound is not None]
        return " ".join(["must be a number", " and ".join(words)]).strip()

    def read(self, value: Any) -> float:
        number = float(_number(value))
        allowed = (
            (self.above is None or number > self.above)
            and (self.most is None or number <= self.most)
            and (self.below is None or number < self.below)
        )
        if not allowed:
            raise ValueError(self.message)
        return number

    def schema(self) -> dict[str, Any]:
        schema: dict[str, Any] = {"type": "number"}
        if self.above is not None:
            schema |= {"minimum": self.above, "exclusiveMinimum": True}
        if self.most is not None:
            schema |= {"maximum": self.most}
        if self.below is not None:
            schema |= {"maximum": self.below, "exclusiveMaximum": True}
        return schema


def _number(value: Any) -> int | float:
    """Return a finite number as it is; neither text nor true or false is one."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("not a number")  # noqa: TRY004 - pydantic reports ValueError
    if value != value or value in (float("inf"), float("-inf")):  # noqa: PLR0124 - NaN
        raise ValueError("not finite")
    return value


@dataclass(frozen=True, slots=True)
class Duration(Kind):
    """A duration between two bounds, written such as 1m30s."""

    least: timedelta
    most: timedelta = MONTH

    @property
    def message(self) -> str:
        least, most = format_duration(self.least), format_duration(self.most)
        return f"must be a duration such as 30s, 1m30s or 2h, from {least} to {most}"

    def read(self, value: Any) -> timedelta:
        duration = value if isinstance(value, timedelta) else parse_duration(_text(value))
        if not self.least <= duration <= self.most:
            raise ValueError(self.message)
        return duration

    def hint(self, value: Any) -> str | None:
        meant = suggest_duration(value)
        return None if meant == value else meant

    def write(self, value: timedelta) -> str:
        return format_duration(value)

    def schema(self) -> dict[str, Any]:
        bounds = (
            f"duration(self) >= duration('{format_duration(self.least)}') && "
            f"duration(self) <= duration('{format_duration(self.most)}')"
        )
        return {
            "type": "string",
            "maxLength": DURATION_LENGTH,
            "pattern": DURATION_PATTERN,
            **self.cel(f"self.matches('{DURATION_PATTERN}') && {bounds}"),
        }


@dataclass(frozen=True, slots=True)
class Text(Kind):
    """Text of a certain form."""

    form: str
    """What is allowed, for people."""
    most: int
    """Longest allowed text, in characters."""
    pattern: str = "."
    """Regular expression that the text must match; it also is RE2 and has no backslash."""

    @property
    def message(self) -> str:
        return f"must be {self.form}, at most {self.most} characters"

    def read(self, value: Any) -> str:
        text = _text(value)
        if not 0 < len(text) <= self.most or not matches(self.pattern, text):
            raise ValueError(self.message)
        return text

    def schema(self) -> dict[str, Any]:
        schema: dict[str, Any] = {"type": "string", "minLength": 1, "maxLength": self.most}
        if self.pattern == ".":
            return schema
        return {**schema, "pattern": self.pattern, **self.cel(f"self.matches('{self.pattern}')")}


DNS_LABEL = Text(
    "lower-case letters, digits and inner hyphens", 63, "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
)


def matches(pattern: str, text: str) -> bool:
    """Whether `text` matches as in RE2, where `$` is the end and not a line break before it."""
    return re.search(pattern.replace("$", r"\Z"), text, re.DOTALL) is not None


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("not text")  # noqa: TRY004 - pydantic reports ValueError
    return value


@dataclass(frozen=True, slots=True)
class PortReference(Kind):
    """A container's port, by number or by name."""

    NAME: ClassVar[str] = "^[a-z0-9]+(-[a-z0-9]+)*$"
    MOST: ClassVar[int] = 65535
    LENGTH: ClassVar[int] = 15

    @property
    def message(self) -> str:
        return (
            f"must be a port number from 1 to {self.MOST}, or the name of a container port "
            f"(at most {self.LENGTH} characters of a-z, 0-9 and -, with a letter)"
        )

    def read(self, value: Any) -> int | str:
        if not isinstance(value, str):
            return Whole(1, self.MOST).read(value)
        if len(value) > self.LENGTH or not matches(self.NAME, value) or not matches("[a-z]", value):
            raise ValueError(self.message)
        return value

    def schema(self) -> dict[str, Any]:
        number = f"self >= 1 && self <= {self.MOST}"
        name = f"self.matches('{self.NAME}') && self.matches('[a-z]')"
        return {
            "x-kubernetes-int-or-string": True,
            "anyOf": [{"type": "integer"}, {"type": "string"}],
            "maxLength": self.LENGTH,
            **self.cel(f"type(self) == int ? {number} : {name}"),
        }


@dataclass(frozen=True, slots=True)
class Labels(Kind):
    """Keys and values that are text, apart from keys that are reserved."""

    reserved: str | None = None
    """Prefix of keys that are not allowed."""

    @property
    def message(self) -> str:
        words = "must be a map of text to text"
        return f"{words}, without keys that begin with {self.reserved}" if self.reserved else words

    def read(self, value: Any) -> Mapping[str, str]:
        if not isinstance(value, Mapping):
            raise ValueError(self.message)  # noqa: TRY004 - pydantic reports ValueError
        pairs = {_text(key): _text(item) for key, item in value.items()}
        if self.reserved and any(key.startswith(self.reserved) for key in pairs):
            raise ValueError(self.message)
        return pairs

    def schema(self) -> dict[str, Any]:
        schema = {"type": "object", "additionalProperties": {"type": "string"}}
        if not self.reserved:
            return schema
        return {**schema, **self.cel(f"self.all(key, !key.startsWith('{self.reserved}'))")}
