"""What a kind of value is: how it is read, written, and told to the API server."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

CEL_RULES = "x-kubernetes-validations"


def broken_rule(message: str) -> PydanticCustomError:
    """Return the error that a broken rule raises inside of a model."""
    return PydanticCustomError("rule", "{message}", {"message": message})


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Kind:
    """What a single value may be."""

    message: str
    """What is allowed, as the rest of a sentence: `must be …`."""
    read: Callable[[Any], Any]
    """Returns the typed value; raises ValueError for one that is not allowed."""
    schema: Mapping[str, Any]
    """OpenAPI schema of the value."""
    cel: str | None = None
    """Rule for the API server that says what `schema` cannot, or not in our words."""
    advice: Callable[[Any], str | None] = lambda _: None
    """Returns what to do about a wrong value; None for no idea."""
    write: Callable[[Any], Any] = lambda value: value
    """Returns a typed value as the user would write it."""

    def validate(self, value: Any) -> Any:
        """Return the typed value, or raise what pydantic collects."""
        try:
            return self.read(value)
        except ValueError:
            advice = self.advice(value)
            raise broken_rule(f"{self.message}; {advice}" if advice else self.message) from None

    def __get_pydantic_core_schema__(
        self, _source: Any, _handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """Tell pydantic how to read and write the value."""
        return core_schema.no_info_plain_validator_function(
            self.validate,
            serialization=core_schema.plain_serializer_function_ser_schema(
                self.write, when_used="json"
            ),
        )

    def __get_pydantic_json_schema__(
        self, _core: CoreSchema, _handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """Tell pydantic the schema."""
        rules = [{"rule": self.cel, "message": self.message}] if self.cel else None
        return {**self.schema, CEL_RULES: rules} if rules else {**self.schema}
