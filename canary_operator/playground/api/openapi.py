"""OpenAPI documents: enough for kubectl to validate on the server, and to explain."""

from typing import Any

from canary_operator.playground.api.errors import no_such_path
from canary_operator.playground.api.kinds import Resource
from canary_operator.playground.api.objects import Object
from canary_operator.playground.api.patches import APPLY, JSON, MERGE, STRATEGIC
from canary_operator.playground.api.registry import Registry

SWAGGER: Object = {
    "swagger": "2.0",
    "info": {"title": "Kubernetes", "version": "v1.36.0"},
    "paths": {},
    "definitions": {},
}


def index(registry: Registry) -> Object:
    """Return `/openapi/v3`: one document per group and version."""
    paths = {
        _prefix(group, version): {"serverRelativeURL": f"/openapi/v3/{_prefix(group, version)}"}
        for group, versions in registry.groups().items()
        for version in versions
    }
    return {"paths": paths}


def _prefix(group: str, version: str) -> str:
    return f"apis/{group}/{version}" if group else f"api/{version}"


def document(registry: Registry, parts: list[str]) -> Object:
    """Return `/openapi/v3/apis/<group>/<version>` or `/openapi/v3/api/<version>`.

    Raises:
        APIError: it is not served (404).
    """
    match parts:
        case ["api", version]:
            group = ""
        case ["apis", group, version]:
            pass
        case _:
            raise no_such_path()
    resources = registry.groups().get(group, {}).get(version)
    if not resources:
        raise no_such_path()
    prefix = "/" + _prefix(group, version)
    return {
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": "v1.36.0"},
        "paths": {path: item for r in resources for path, item in _paths(r, prefix).items()},
        "components": {"schemas": {_component(r): _shown_schema(r) for r in resources}},
    }


def _component(resource: Resource) -> str:
    group = ".".join(reversed((resource.group or "core.api.k8s.io").split(".")))
    return f"{group}.{resource.version}.{resource.kind}"


def _kind(resource: Resource) -> Object:
    return {"group": resource.group, "version": resource.version, "kind": resource.kind}


def _paths(resource: Resource, prefix: str) -> Object:
    scope = "namespaces/{namespace}/" if resource.namespaced else ""
    base = f"{prefix}/{scope}{resource.plural}"
    named: Object = {"get": _operation(resource, "get"), "patch": _patch(resource)}
    return {
        base: {"get": _operation(resource, "list"), "post": _operation(resource, "post")},
        f"{base}/{{name}}": {**named, "put": _operation(resource, "put")},
    }


def _operation(resource: Resource, action: str) -> Object:
    writes = action not in ("get", "list")
    names = ("dryRun", "fieldManager", "fieldValidation") if writes else ("pretty",)
    return {
        "x-kubernetes-action": action,
        "x-kubernetes-group-version-kind": _kind(resource),
        "parameters": [
            {"name": name, "in": "query", "schema": {"type": "string", "uniqueItems": True}}
            for name in names
        ],
        "responses": {"200": {"description": "OK"}},
    }


def _patch(resource: Resource) -> Object:
    types = [APPLY, JSON, MERGE, *([] if resource.custom else [STRATEGIC])]
    operation = _operation(resource, "patch")
    return {**operation, "requestBody": {"content": {name: {"schema": {}} for name in types}}}


def _shown_schema(resource: Resource) -> Object:
    schema = _without_private(resource.schema)
    return {**schema, "x-kubernetes-group-version-kind": [_kind(resource)]}


def _without_private(schema: Any) -> Any:
    """Copy a schema without the marks that only this package reads."""
    if isinstance(schema, dict):
        hidden = ("x-struct", "x-own", "x-compiled")
        return {k: _without_private(v) for k, v in schema.items() if k not in hidden}
    if isinstance(schema, list):
        return [_without_private(item) for item in schema]
    return schema
