"""Discovery documents: what is served, in the plain and the aggregated form."""

from typing import Any

from canary_operator.playground.api.errors import no_such_group
from canary_operator.playground.api.kinds import Resource
from canary_operator.playground.api.objects import Object, group_version
from canary_operator.playground.api.registry import Registry

VERSION: Object = {
    "major": "1",
    "minor": "36",
    "emulationMajor": "1",
    "emulationMinor": "36",
    "minCompatibilityMajor": "1",
    "minCompatibilityMinor": "35",
    "gitVersion": "v1.36.0+playground",
    "gitCommit": "0000000000000000000000000000000000000000",
    "gitTreeState": "clean",
    "buildDate": "2026-01-01T00:00:00Z",
    "goVersion": "none",
    "compiler": "none",
    "platform": "linux/amd64",
}
AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
CUSTOM_VERBS = ("delete", "deletecollection", "get", "list", "patch", "create", "update", "watch")
SUB_VERBS = {
    "status": ("get", "patch", "update"),
    "scale": ("get", "patch", "update"),
    "finalize": ("update",),
    "binding": ("create",),
    "eviction": ("create",),
    "token": ("create",),
}
SUB_KINDS = {
    "scale": ("autoscaling", "v1", "Scale"),
    "eviction": ("policy", "v1", "Eviction"),
    "token": ("authentication.k8s.io", "v1", "TokenRequest"),
    "binding": ("", "v1", "Binding"),
}


def wants_aggregated(accept: str) -> bool:
    """Tell whether a client asks for everything in one document."""
    return "as=APIGroupDiscoveryList" in accept and "v=v2;" in accept.replace(" ", "")


def api_versions(address: str) -> Object:
    """Return `/api`."""
    return {
        "kind": "APIVersions",
        "versions": ["v1"],
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}],
    }


def group_list(registry: Registry) -> Object:
    """Return `/apis`."""
    groups = [_group(name, list(found)) for name, found in registry.groups().items() if name]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}


def one_group(registry: Registry, name: str) -> Object:
    """Return `/apis/<group>`.

    Raises:
        APIError: no such group is served (404).
    """
    found = registry.groups().get(name)
    if not found:
        raise no_such_group()
    return {"kind": "APIGroup", "apiVersion": "v1", **_group(name, list(found))}


def _group(name: str, versions: list[str]) -> Object:
    entries = [{"groupVersion": group_version(name, v), "version": v} for v in versions]
    return {"name": name, "versions": entries, "preferredVersion": entries[0]}


def resource_list(registry: Registry, group: str, version: str) -> Object:
    """Return `/api/v1` or `/apis/<group>/<version>`.

    Raises:
        APIError: it is not served (404).
    """
    found = registry.groups().get(group, {}).get(version)
    if not found:
        raise no_such_group()
    entries: list[Object] = []
    for resource in found:
        entries.append(_entry(resource))
        entries += [_sub_entry(resource, name) for name in resource.subresources]
    group_is_custom = any(resource.custom for resource in found)
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": group_version(group, version),
        "resources": entries if group_is_custom else _by_name(entries),
    }


def _by_name(entries: list[Object]) -> list[Object]:
    return sorted(entries, key=lambda entry: str(entry["name"]))


def _entry(resource: Resource) -> Object:
    optional: Object = {
        "shortNames": list(resource.short_names),
        "categories": list(resource.categories),
    }
    return {
        "name": resource.plural,
        "singularName": resource.singular,
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": list(CUSTOM_VERBS if resource.custom else resource.verbs),
        **{key: value for key, value in optional.items() if value},
    }


def _sub_entry(resource: Resource, name: str) -> Object:
    group, version, kind = SUB_KINDS.get(name, ("", "", resource.kind))
    foreign = {"group": group, "version": version} if kind != resource.kind and version else {}
    return {
        "name": f"{resource.plural}/{name}",
        "singularName": "",
        "namespaced": resource.namespaced,
        **{key: value for key, value in foreign.items() if value},
        "kind": kind,
        "verbs": list(SUB_VERBS[name]),
    }


def aggregated(registry: Registry, *, core: bool) -> Object:
    """Return the aggregated form of `/api` (core group) or `/apis` (all others)."""
    items = [
        {
            "metadata": {"creationTimestamp": None, **({"name": group} if group else {})},
            "versions": [_version(v, resources) for v, resources in versions.items()],
        }
        for group, versions in registry.groups().items()
        if (group == "") is core
    ]
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": "apidiscovery.k8s.io/v2",
        "metadata": {},
        "items": items,
    }


def _version(name: str, resources: list[Resource]) -> Object:
    ordered = sorted(resources, key=lambda resource: resource.plural)
    return {
        "version": name,
        "freshness": "Current",
        "resources": [_aggregated_entry(resource) for resource in ordered],
    }


def _aggregated_entry(resource: Resource) -> Object:
    optional: dict[str, Any] = {
        "shortNames": list(resource.short_names),
        "categories": list(resource.categories),
        "subresources": [_aggregated_sub(resource, name) for name in resource.subresources],
    }
    return {
        "resource": resource.plural,
        "responseKind": _response(resource.group, resource.version, resource.kind),
        "scope": "Namespaced" if resource.namespaced else "Cluster",
        "singularResource": resource.singular,
        "verbs": list(resource.verbs),
        **{key: value for key, value in optional.items() if value},
    }


def _aggregated_sub(resource: Resource, name: str) -> Object:
    own = (resource.group, resource.version, resource.kind)
    return {
        "subresource": name,
        "responseKind": _response(*SUB_KINDS.get(name, own)),
        "verbs": list(SUB_VERBS[name]),
    }


def _response(group: str, version: str, kind: str) -> Object:
    return {"group": group, "version": version, "kind": kind}
