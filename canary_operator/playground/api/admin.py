"""`/playground/…`: the switches of the server for tests in other processes."""

from collections.abc import Callable, Mapping
from dataclasses import fields
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
    match http.method, parts:
        case "GET", ["faults"]:
            body: Any = cluster.faults.body()
        case "POST", ["faults"]:
            body = {"id": cluster.faults.add(_fault(await http.json()))}
        case "DELETE", ["faults"]:
            cluster.faults.clear()
            body = {}
        case "DELETE", ["faults", number] if number.isdigit():
            cluster.faults.remove(int(number))
            body = {}
        case "GET", ["requests"]:
            body = cluster.requests.body(**_wanted(http.query))
        case "DELETE", ["requests"]:
            cluster.requests.reset()
            body = {}
        case "POST", ["compact"]:
            cluster.store.compact()
            body = {}
        case "POST", ["end-watches"]:
            cluster.store.end_watches()
            body = {}
        case "PUT", ["authorization"]:
            body = _authorization(cluster, await http.json())
        case _:
            raise no_such_path()
    return web.json_response(body)


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


def _authorization(cluster: Cluster, body: Mapping[str, Any]) -> dict[str, Any]:
    cluster.authorizer.enabled = bool(body.get("enabled", True))
    for token, user in (body.get("tokens") or {}).items():
        cluster.authorizer.tokens[token] = User(user["name"], tuple(user.get("groups") or ()))
    return {"enabled": cluster.authorizer.enabled}
