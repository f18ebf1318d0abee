"""`/playground/…`: the switches of the server for tests in other processes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from aiohttp import web

from canary_operator.playground.api.auth import User
from canary_operator.playground.api.cluster import Cluster
from canary_operator.playground.api.errors import bad_request, no_such_path
from canary_operator.playground.api.faults import Fault

PREFIX = "playground"


async def handle(cluster: Cluster, http: web.Request, parts: list[str]) -> web.Response:
    """Answer a request to a switch.

    Raises:
        APIError: there is no such switch (404), or the body is wrong (400).
    """
    name, *rest = [*parts, ""]
    switch = SWITCHES.get((http.method, name))
    if switch is None:
        raise no_such_path()
    body = await http.json() if http.can_read_body else {}
    return web.json_response(switch(cluster, Asked(body, http.query, rest[0])))


@dataclass(frozen=True)
class Asked:
    """What a switch may look at."""

    body: Any
    query: Mapping[str, str]
    number: str
    """What follows the switch's name in the path."""


def _add_fault(cluster: Cluster, asked: Asked) -> Any:
    return {"id": cluster.faults.add(_fault(asked.body))}


def _remove_faults(cluster: Cluster, asked: Asked) -> Any:
    if asked.number:
        cluster.faults.remove(int(asked.number))
    else:
        cluster.faults.clear()
    return {}


def _forget_requests(cluster: Cluster, _: Asked) -> Any:
    cluster.requests.reset()
    return {}


def _compact(cluster: Cluster, _: Asked) -> Any:
    cluster.store.compact()
    return {}


def _end_watches(cluster: Cluster, _: Asked) -> Any:
    cluster.store.end_watches()
    return {}


def _fault(body: Mapping[str, Any]) -> Fault:
    known = {field.name for field in fields(Fault)}
    unknown = sorted(set(body) - known)
    if unknown:
        raise bad_request(f"unknown fields {unknown}; a fault has {sorted(known)}")
    return Fault(**body)


def _wanted(query: Mapping[str, str]) -> dict[str, Any]:
    """Read a query over requests; numbers and booleans are not strings."""
    special: dict[str, Callable[[str], Any]] = {
        "code": int,
        "dry_run": lambda text: text == "true",
    }
    return {name: special.get(name, str)(value) for name, value in query.items()}


def _authorize(cluster: Cluster, asked: Asked) -> Any:
    body = asked.body
    cluster.authorizer.enabled = bool(body.get("enabled", True))
    for token, user in (body.get("tokens") or {}).items():
        cluster.authorizer.tokens[token] = User(user["name"], tuple(user.get("groups") or ()))
    return {"enabled": cluster.authorizer.enabled}


SWITCHES: Mapping[tuple[str, str], Callable[[Cluster, Asked], Any]] = {
    ("GET", "faults"): lambda cluster, _: cluster.faults.body(),
    ("POST", "faults"): _add_fault,
    ("DELETE", "faults"): _remove_faults,
    ("GET", "requests"): lambda cluster, asked: cluster.requests.body(**_wanted(asked.query)),
    ("DELETE", "requests"): _forget_requests,
    ("POST", "compact"): _compact,
    ("POST", "end-watches"): _end_watches,
    ("PUT", "authorization"): _authorize,
}
