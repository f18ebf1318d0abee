"""Base of everything that stands in `status`, and how moments are written there."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, PlainSerializer
from pydantic.alias_generators import to_camel


def format_time(value: datetime) -> str:
    """Return RFC 3339 in UTC, with milliseconds only where they are not zero."""
    digits = "milliseconds" if value.microsecond else "seconds"
    return value.astimezone(UTC).replace(tzinfo=None).isoformat(timespec=digits) + "Z"


Time = Annotated[datetime, PlainSerializer(format_time, return_type=str, when_used="json")]


class Recorded(BaseModel):
    """Base of everything in status: frozen, camelCase outside, unknown fields are ignored.

    Unknown fields may come from a newer operator that ran before a downgrade.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="ignore",
        alias_generator=to_camel,
        populate_by_name=True,
        use_attribute_docstrings=True,
    )
