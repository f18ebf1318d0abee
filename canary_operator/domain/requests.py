"""What a person asks for through the annotation `canary-operator.dev/request`."""

from dataclasses import dataclass
from enum import StrEnum


class Verb(StrEnum):
    """What a person may ask for."""

    PAUSE = "pause"
    RESUME = "resume"
    PROMOTE = "promote"
    ABORT = "abort"
    RETRY = "retry"


@dataclass(frozen=True, slots=True)
class Request:
    """One request: `<verb>[/<revision>[/<id>]]`."""

    value: str
    """The annotation as it was set."""
    verb: Verb | None
    """None when the word is none that we know."""
    revision: str | None
    """The canary revision that the person saw; None when left out."""


def parse_request(value: str) -> Request:
    """Read a request annotation; a word that means nothing is kept, so that it can be refused.

    Example:
        >>> parse_request("abort/91ab77e04c/k3").revision
        '91ab77e04c'
    """
    word, _, rest = value.strip().partition("/")
    revision = rest.partition("/")[0] or None
    known = word in Verb.__members__.values()
    return Request(value=value, verb=Verb(word) if known else None, revision=revision)
