"""Base of everything that stands in `status`, and how moments are written there."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainSerializer
from pydantic.alias_generators import to_camel

YEARS = range(1970, 3000)
"""When an operator may have lived that recorded a moment; one can add and subtract days there."""


def format_time(value: datetime) -> str:
    """Return RFC 3339 in UTC, with milliseconds only where they are not zero."""
    digits = "milliseconds" if value.microsecond else "seconds"
    return value.astimezone(UTC).replace(tzinfo=None).isoformat(timespec=digits) + "Z"


def _calculable(value: datetime) -> datetime:
    """Refuse what no operator wrote: the ends of Python's calendar, and a moment of no zone."""
    if value.tzinfo is None or value.year not in YEARS:
        raise ValueError("no moment that an operator could have recorded")
    return value


Time = Annotated[
    datetime,
    AfterValidator(_calculable),
    PlainSerializer(format_time, return_type=str, when_used="json"),
]

Count = Annotated[int, Field(ge=0)]
Amount = Annotated[float, Field(ge=0, le=1e18)]
Percent = Annotated[int, Field(ge=0, le=100)]


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
