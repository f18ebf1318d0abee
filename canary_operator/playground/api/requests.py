"""A record of every request, so that tests can count what a client asked for."""

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Request:
    """One request as the API server's audit log would name it."""

    user_agent: str
    verb: str
    group: str
    resource: str
    subresource: str
    namespace: str
    name: str
    dry_run: bool
    user: str = ""
    code: int = 0


@dataclass
class RequestLog:
    """Requests in the order of their answers; a watch counts when it begins."""

    entries: list[Request] = field(default_factory=list)

    def add(self, request: Request) -> None:
        """Remember a request."""
        self.entries.append(request)

    def reset(self) -> None:
        """Forget everything so far."""
        self.entries.clear()

    def matching(self, **wanted: Any) -> list[Request]:
        """Return the requests whose fields have these values.

        A value is compared, or called when it is a predicate; `user_agent` matches as a prefix.

        Example:
            >>> log = RequestLog([Request("op/1", "get", "", "pods", "", "a", "b", False)])
            >>> len(log.matching(user_agent="op", verb=lambda verb: verb in ("get", "list")))
            1
        """
        return [entry for entry in self.entries if _matches(entry, wanted)]

    def count(self, **wanted: Any) -> int:
        """Return how many requests match."""
        return len(self.matching(**wanted))

    def body(self, **wanted: Any) -> list[dict[str, Any]]:
        """Return the matching requests as JSON data."""
        return [asdict(entry) for entry in self.matching(**wanted)]


def _matches(entry: Request, wanted: dict[str, Any]) -> bool:
    return all(_fits(getattr(entry, name), name, value) for name, value in wanted.items())


def _fits(found: Any, name: str, value: Any) -> bool:
    if callable(value):
        return bool(value(found))
    if name == "user_agent":
        return str(found).startswith(value)
    return bool(found == value)
