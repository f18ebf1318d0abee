"""Everything that is served beside resources: discovery, OpenAPI, version and health."""

from dataclasses import dataclass
from typing import Any

from canary_operator.playground.api import discovery, openapi
from canary_operator.playground.api.errors import no_such_path
from canary_operator.playground.api.registry import Registry

HEALTH = ("readyz", "healthz", "livez")
ROOT = {"paths": ["/api", "/apis", "/openapi/v2", "/openapi/v3", "/readyz", "/version"]}
JSON = "application/json"


@dataclass(frozen=True)
class Document:
    """A body, as text or as JSON data, and its media type."""

    body: Any
    content_type: str = JSON


def find(registry: Registry, parts: list[str], accept: str, address: str) -> Document:
    """Return the document at a path.

    Raises:
        APIError: there is none (404).
    """
    match parts:
        case []:
            return Document(ROOT)
        case [name, *_] if name in HEALTH:
            return Document("ok", "text/plain")
        case ["version"]:
            return Document(discovery.VERSION)
        case ["openapi", *rest]:
            return Document(_openapi(registry, rest, accept))
        case ["api" | "apis" as root] if discovery.wants_aggregated(accept):
            body = discovery.aggregated(registry, core=root == "api")
            return Document(body, discovery.AGGREGATED)
        case _:
            return Document(_discovery(registry, parts, address))


def _openapi(registry: Registry, rest: list[str], accept: str) -> Any:
    match rest:
        case ["v2"] if "json" in accept or "*/*" in accept:
            return openapi.SWAGGER
        case ["v3"]:
            return openapi.index(registry)
        case ["v3", *parts]:
            return openapi.document(registry, parts)
        case _:
            raise no_such_path()


def _discovery(registry: Registry, parts: list[str], address: str) -> Any:
    match parts:
        case ["api"]:
            return discovery.api_versions(address)
        case ["apis"]:
            return discovery.group_list(registry)
        case ["apis", group]:
            return discovery.one_group(registry, group)
        case ["api", version]:
            return discovery.resource_list(registry, "", version)
        case ["apis", group, version]:
            return discovery.resource_list(registry, group, version)
        case _:
            raise no_such_path()
