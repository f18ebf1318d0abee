"""Faults on demand: what a test wants to go wrong, for whom, and how often."""

import itertools
from dataclasses import asdict, dataclass, field
from typing import Any

from canary_operator.playground.api.errors import STALE, APIError
from canary_operator.playground.api.requests import Request

REASONS = {
    401: ("Unauthorized", "Unauthorized"),
    403: ("Forbidden", "forbidden by an injected fault"),
    404: ("NotFound", "the server could not find the requested resource"),
    409: ("Conflict", STALE),
    410: ("Expired", "The resourceVersion for the provided list is too old."),
    429: ("TooManyRequests", "the server has received too many requests, please try again later"),
    500: ("InternalError", "an error on the server has prevented the request from succeeding"),
    503: ("ServiceUnavailable", "the server is currently unable to handle the request"),
    504: ("Timeout", "the server was unable to return a response in the time allotted"),
}
MATCHED = ("verb", "group", "resource", "subresource", "namespace", "name", "user_agent")


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong. Match fields that are `None` fit every request."""

    verb: str | None = None
    group: str | None = None
    resource: str | None = None
    subresource: str | None = None
    namespace: str | None = None
    name: str | None = None
    user_agent: str | None = None
    """Matches as a prefix."""

    status: int | None = None
    """HTTP status to answer with instead of doing the work."""
    reason: str | None = None
    message: str | None = None
    retry_after: int | None = None
    """Seconds for the Retry-After header."""
    delay: float = 0.0
    """Seconds before anything else happens."""
    reset: bool = False
    """Whether to close the connection without an answer."""
    after: bool = False
    """Whether the work is done first, so that only the answer is lost."""
    drop_watch_after: float | None = None
    """Seconds after which a watch breaks off."""
    expire_watch: bool = False
    """Whether a watch answers with an ERROR event of code 410."""
    times: int | None = None
    """How many requests it hits; `None` until it is removed."""

    def error(self) -> APIError | None:
        """Return the refusal that the client gets, if it gets one."""
        if self.status is None:
            return None
        reason, message = REASONS.get(self.status, ("InternalError", "an injected fault"))
        details = {"retryAfterSeconds": self.retry_after} if self.retry_after is not None else None
        return APIError(
            self.status, self.reason or reason, self.message or message, details, self.retry_after
        )

    def fits(self, request: Request) -> bool:
        """Tell whether the fault hits this request."""
        for name in MATCHED:
            wanted, found = getattr(self, name), getattr(request, name)
            if wanted is None:
                continue
            fits = found.startswith(wanted) if name == "user_agent" else found == wanted
            if not fits:
                return False
        return True


@dataclass
class Faults:
    """The faults in force, by number."""

    active: dict[int, Fault] = field(default_factory=dict)
    _hits: dict[int, int] = field(default_factory=dict)
    _numbers: Any = field(default_factory=lambda: itertools.count(1))

    def add(self, fault: Fault) -> int:
        """Put a fault in force and return its number."""
        number = int(next(self._numbers))
        self.active[number] = fault
        self._hits[number] = 0
        return number

    def remove(self, number: int) -> None:
        """Take a fault away; one that is used up is gone already."""
        self.active.pop(number, None)

    def clear(self) -> None:
        """Take all faults away."""
        self.active.clear()

    def hits(self, number: int) -> int:
        """Return how many requests a fault has hit."""
        return self._hits.get(number, 0)

    def hit(self, request: Request) -> Fault | None:
        """Return the first fault that fits, and count the hit."""
        for number, fault in self.active.items():
            if fault.fits(request):
                self._hits[number] += 1
                if fault.times is not None and self._hits[number] >= fault.times:
                    self.remove(number)
                return fault
        return None

    def body(self) -> list[dict[str, Any]]:
        """Return the faults in force as JSON data."""
        return [
            {"id": number, "hits": self._hits[number], **asdict(fault)}
            for number, fault in self.active.items()
        ]
