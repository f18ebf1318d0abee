"""Why a source of measurements gave none.

    MetricsError
    ├── UnavailableSourceError   no answer: unreachable, access refused
    │   ├── SlowSourceError          no answer in time
    │   ├── OverloadedSourceError    it says that it has too much to do (HTTP 429, 503)
    │   └── SparedSourceError        it was not asked, because it had said so
    ├── RejectedQueryError       Prometheus says that the query is wrong; the message is its own
    └── UnreadableAnswerError    an answer, but not what a query is answered with

Messages are for people and end up in status: one line, in our words, and of the answer at most
the line that Prometheus calls `error`. Never a body, a header or a URL: they may hold secrets.
"""

from datetime import timedelta
from enum import StrEnum
from typing import ClassVar


class QueryOutcome(StrEnum):
    """How a query ended; what queries are counted by."""

    ANSWERED = "answered"
    UNAVAILABLE = "unavailable"
    """Nothing that answers was reached, or it refused access."""
    TIMEOUT = "timeout"
    OVERLOADED = "overloaded"
    """It asked for a pause; what is not asked during the pause is counted, too."""
    REJECTED = "rejected"
    UNREADABLE = "unreadable"


class MetricsError(Exception):
    """Base of the above; never raised itself."""

    outcome: ClassVar[QueryOutcome] = QueryOutcome.UNAVAILABLE


class UnavailableSourceError(MetricsError):
    """Prometheus did not answer; worth a later try."""


class SlowSourceError(UnavailableSourceError):
    """Prometheus did not answer in time."""

    outcome = QueryOutcome.TIMEOUT


class SparedSourceError(UnavailableSourceError):
    """Prometheus was not asked, in a pause that it had asked for."""

    outcome = QueryOutcome.OVERLOADED


class OverloadedSourceError(UnavailableSourceError):
    """Prometheus, or what stands before it, asks for a pause."""

    outcome = QueryOutcome.OVERLOADED

    def __init__(self, message: str, retry_after: timedelta | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        """How long it wants to be left alone; None where it does not say."""


class RejectedQueryError(MetricsError):
    """Prometheus cannot run the query as it is written."""

    outcome = QueryOutcome.REJECTED

    def __init__(self, message: str, *, malformed: bool = True) -> None:
        super().__init__(message)
        self.malformed = malformed
        """Whether the text of the query is wrong, whatever the data are."""


class UnreadableAnswerError(MetricsError):
    """What came back is not the answer of a Prometheus to an instant query."""

    outcome = QueryOutcome.UNREADABLE
