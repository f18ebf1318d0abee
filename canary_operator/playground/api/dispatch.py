"""One request to a resource: which operation it means, and how its answer looks."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from canary_operator.playground.api import patches, reviews, scales, subresources, tables
from canary_operator.playground.api.auth import User
from canary_operator.playground.api.cluster import Cluster
from canary_operator.playground.api.deletion import RETURNED, delete
from canary_operator.playground.api.errors import APIError, method_not_allowed
from canary_operator.playground.api.kinds import REVIEWS, Resource
from canary_operator.playground.api.lists import continued, encoded_list, predicate, select
from canary_operator.playground.api.objects import Object
from canary_operator.playground.api.options import delete_options, write_options
from canary_operator.playground.api.paths import ResourcePath
from canary_operator.playground.api.store import Stored
from canary_operator.playground.api.targets import Target
from canary_operator.playground.api.views import served
from canary_operator.playground.api.watch import WatchRequest, watch_request

PATCH_TYPES = (patches.JSON, patches.MERGE, patches.STRATEGIC, patches.APPLY)


@dataclass(frozen=True)
class Call:
    """A request whose resource is known and whose body is read."""

    method: str
    path: ResourcePath
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Any
    user: User


@dataclass(frozen=True)
class Answer:
    """What the client gets."""

    status: int
    body: bytes
    warnings: tuple[str, ...] = ()
    content_type: str = "application/json"


class Dispatcher:
    """Carries out requests on a cluster."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._operations = cluster.operations

    def answer(self, call: Call) -> Answer | WatchRequest:
        """Carry out a request.

        Raises:
            APIError: the server refuses it.
        """
        path = call.path
        if path.resource.group in REVIEWS:
            return self._review(call)
        if not path.name:
            return self._collection(call)
        if call.method == "GET" and not path.subresource and _is_watch(call):
            return self._watch(call, only=path.name)
        if path.subresource not in ("", "status", "finalize"):
            return self._subresource(call)
        return self._object(call)

    # ------------------------------------------------------------------ collections

    def _collection(self, call: Call) -> Answer | WatchRequest:
        if call.method == "GET":
            return self._watch(call) if _is_watch(call) else self._list(call)
        addressed = call.path.namespace or not call.path.resource.namespaced
        if call.method == "DELETE" and addressed:
            return self._delete_collection(call)
        if call.method == "POST" and addressed:
            return self._create(call)
        raise method_not_allowed()

    def _list(self, call: Call) -> Answer:
        resource, query = call.path.resource, call.query
        found = select(self._cluster.store, call.path, query)
        page, token, remaining, rv = continued(found, query, self._cluster.store.rv)
        meta: Object = {"resourceVersion": str(rv)}
        if resource.custom:
            meta = {"continue": "", **meta}
        if token:
            meta |= {"continue": token, "remainingItemCount": remaining}
        accept = call.headers.get("Accept", "")
        if tables.wants_table(accept):
            objects = (served(resource, stored.obj) for stored in page)
            return _json(200, tables.table(resource, objects, meta, _include(call)))
        if _wants_metadata(accept):
            return _json(200, _metadata_list(resource, page, meta))
        return Answer(200, encoded_list(resource, page, meta))

    def _watch(self, call: Call, only: str = "") -> WatchRequest:
        selects = predicate(call.path, call.query, only)
        make = None
        if tables.wants_table(call.headers.get("Accept", "")):
            make = self._row_maker(call)
        return watch_request(call.path.resource, selects, call.query, make)

    @staticmethod
    def _row_maker(call: Call) -> Callable[[Object], Object]:
        include = _include(call)
        return lambda obj: tables.of_one(call.path.resource, obj, include)

    def _delete_collection(self, call: Call) -> Answer:
        options = delete_options(call.query, call.body, call.user)
        options = replace(options, collection=True)
        found = select(self._cluster.store, call.path, call.query)
        for stored in found:
            meta = stored.obj["metadata"]
            target = Target(call.path.resource, meta.get("namespace", ""), meta["name"])
            delete(self._operations, target, options)
        meta = {"resourceVersion": str(self._cluster.store.rv)}
        return Answer(200, encoded_list(call.path.resource, found, meta))

    def _create(self, call: Call) -> Answer:
        options = write_options(call.query, _agent(call), user=call.user)
        target = Target(call.path.resource, call.path.namespace, "")
        created = self._operations.create(target, call.body, options)
        return self._shown(call, created, 201, tuple(options.warnings))

    # ------------------------------------------------------------------ single objects

    def _object(self, call: Call) -> Answer:
        target = _target(call.path)
        match call.method:
            case "GET":
                return self._shown(call, self._operations.read(target), 200)
            case "PUT":
                options = write_options(call.query, _agent(call), user=call.user)
                code = 200 if self._operations.has(target) else 201
                updated = self._operations.update(target, call.body, options)
                return self._shown(call, updated, code, tuple(options.warnings))
            case "PATCH":
                return self._patch(call, target)
            case "DELETE" if not call.path.subresource:
                return self._delete(call, target)
            case _:
                raise method_not_allowed()

    def _patch(self, call: Call, target: Target) -> Answer:
        kind = _patch_type(call)
        style = "apply" if kind == patches.APPLY else "patch"
        options = write_options(call.query, _agent(call), style, call.user)
        if kind == patches.APPLY:
            code = 200 if self._operations.has(target) else 201
            applied = self._operations.apply(target, call.body, options)
            return self._shown(call, applied, code, tuple(options.warnings))
        patched = self._operations.patch(target, kind, call.body, options)
        return self._shown(call, patched, 200, tuple(options.warnings))

    def _delete(self, call: Call, target: Target) -> Answer:
        options = delete_options(call.query, call.body, call.user)
        last, gone = delete(self._operations, target, options)
        resource = target.resource
        if not gone or resource.kind in RETURNED:
            return self._shown(call, last, 200, tuple(options.warnings))
        details = {"name": target.name, "group": resource.group, "kind": resource.plural}
        status: Object = {
            **subresources.SUCCESS,
            "details": {k: v for k, v in details.items() if v} | {"uid": last["metadata"]["uid"]},
        }
        return _json(200, status, tuple(options.warnings))

    def _shown(
        self, call: Call, obj: Object, status: int, warnings: tuple[str, ...] = ()
    ) -> Answer:
        resource, accept = call.path.resource, call.headers.get("Accept", "")
        shaped = served(resource, obj)
        if tables.wants_table(accept):
            return _json(status, tables.of_one(resource, shaped, _include(call)), warnings)
        if _wants_metadata(accept):
            return _json(status, _metadata_only(shaped), warnings)
        return _json(status, shaped, warnings)

    # ------------------------------------------------------------------ other doors

    def _review(self, call: Call) -> Answer:
        if call.method != "POST" or not isinstance(call.body, dict):
            raise method_not_allowed()
        path = call.path
        body = reviews.review(call.body, path.resource, call.user, self._cluster.authorizer)
        return _json(201, body)

    def _subresource(self, call: Call) -> Answer:
        target = _target(call.path)
        base = Target(target.resource, target.namespace, target.name)
        obj = self._operations.read(base)
        kind = _patch_type(call) if call.method == "PATCH" else ""
        options = write_options(call.query, _agent(call), user=call.user)
        match call.path.subresource, call.method:
            case "scale", "GET":
                return _json(200, scales.read_scale(obj, target.resource))
            case "scale", "PUT" | "PATCH":
                body = subresources.rescale(self._operations, target, kind, call.body, options)
                return _json(200, body)
            case "binding", "POST":
                return _json(201, subresources.bind(self._operations, target, call.body, options))
            case "eviction", "POST":
                return _json(201, subresources.evict(self._operations, target, call.body, options))
            case "token", "POST":
                body = call.body or {}
                return _json(201, subresources.token(self._operations, target, body, options))
            case _:
                raise method_not_allowed()


def _target(path: ResourcePath) -> Target:
    return Target(path.resource, path.namespace, path.name, path.subresource)


def _agent(call: Call) -> str:
    return call.headers.get("User-Agent", "")


def _is_watch(call: Call) -> bool:
    return call.query.get("watch") in ("true", "1")


def _include(call: Call) -> str:
    return call.query.get("includeObject") or "Metadata"


def _patch_type(call: Call) -> str:
    kind = call.headers.get("Content-Type", "").partition(";")[0].strip()
    if kind not in PATCH_TYPES:
        raise APIError(415, "UnsupportedMediaType", "415: Unsupported Media Type")
    return kind


def _json(status: int, body: Any, warnings: tuple[str, ...] = ()) -> Answer:
    data = json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()
    return Answer(status, data, warnings)


def _wants_metadata(accept: str) -> bool:
    return "as=PartialObjectMetadata" in accept.partition(",")[0]


def _metadata_only(obj: Object) -> Object:
    kind = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1"}
    return {**kind, "metadata": obj["metadata"]}


def _metadata_list(resource: Resource, found: list[Stored], meta: Object) -> Object:
    return {
        "kind": "PartialObjectMetadataList",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": meta,
        "items": [_metadata_only(served(resource, stored.obj)) for stored in found],
    }
