"""What a real API server wrote down about the requests that it got."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from canary_operator.playground.api.requests import Request, RequestLog

DECISION = "authorization.k8s.io/decision"
"""Annotation of an audit event that says what RBAC decided."""


@dataclass(frozen=True)
class Denied:
    """A request that RBAC denied."""

    verb: str
    resource: str
    """With its subresource."""

    def __str__(self) -> str:
        return f"{self.verb} {self.resource}"


class AuditLog:
    """The requests that an API server wrote down after the log was opened here."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._start = 0
        self.forget()

    def read(self) -> RequestLog:
        """Return the requests so far, without those for no resource, such as `/readyz`."""
        return RequestLog([_request(event) for event in self._events() if "objectRef" in event])

    def denied(self, user: str) -> set[Denied]:
        """Return what RBAC did not let a user do."""
        requests = (
            _request(event)
            for event in self._events()
            if event.get("annotations", {}).get(DECISION) == "forbid" and "objectRef" in event
        )
        return {
            Denied(each.verb, "/".join(filter(None, (each.resource, each.subresource))))
            for each in requests
            if each.user == user
        }

    def _events(self) -> Iterator[dict[str, Any]]:
        with self._path.open("rb") as log:
            log.seek(self._start)
            complete, _, _ = log.read().rpartition(b"\n")
        return map(json.loads, complete.splitlines())

    def forget(self) -> None:
        """Read only what comes from now on."""
        self._start = self._path.stat().st_size if self._path.exists() else 0


def _request(event: dict[str, Any]) -> Request:
    about = event["objectRef"]
    return Request(
        user_agent=event.get("userAgent", ""),
        verb=event["verb"],
        group=about.get("apiGroup", ""),
        resource=about.get("resource", ""),
        subresource=about.get("subresource", ""),
        namespace=about.get("namespace", ""),
        name=about.get("name", ""),
        dry_run="dryRun=All" in event["requestURI"],
        user=event["user"].get("username", ""),
        code=event.get("responseStatus", {}).get("code", 0),
    )
