"""Lists: which objects match, in which pages."""

import base64
import json
from collections.abc import Mapping
from functools import partial

from canary_operator.playground.api.errors import APIError, bad_request
from canary_operator.playground.api.kinds import Resource
from canary_operator.playground.api.objects import Object, Predicate, without
from canary_operator.playground.api.paths import ResourcePath
from canary_operator.playground.api.selectors import everything, field_selector, label_selector
from canary_operator.playground.api.store import Store, Stored
from canary_operator.playground.api.views import served


def predicate(path: ResourcePath, query: Mapping[str, str], only: str = "") -> Predicate:
    """Return what a list or a watch selects: namespace, labels and fields."""
    tests = [
        test
        for test in (
            label_selector(query.get("labelSelector", "")),
            field_selector(query.get("fieldSelector", ""), path.resource),
        )
        if test is not everything
    ]
    namespace = path.namespace

    def selects(obj: Object) -> bool:
        meta = obj["metadata"]
        if namespace and meta.get("namespace") != namespace:
            return False
        if only and meta["name"] != only:
            return False
        return all(test(obj) for test in tests)

    return selects if tests or namespace or only else everything


def select(store: Store, path: ResourcePath, query: Mapping[str, str]) -> list[Stored]:
    """Return the objects of a list.

    Raises:
        APIError: a selector cannot be read (400), or the version lies in the future (504).
    """
    _check_version(query, store.rv)
    selects = predicate(path, query)
    found = store.scan(path.resource.storage, path.namespace)
    return [stored for _, stored in found if selects(stored.obj)]


def bad_version(text: str) -> str:
    """Return what is wrong with a resource version that is no number."""
    return (
        f'resourceVersion: Invalid value: "{text}": strconv.ParseUint: parsing "{text}": '
        "invalid syntax"
    )


def _check_version(query: Mapping[str, str], rv: int) -> None:
    text = query.get("resourceVersion", "")
    if text and not text.isdigit():
        raise bad_request(f"invalid resource version: {bad_version(text)}")
    if text and int(text) > rv:
        message = f"Timeout: Too large resource version: {text}, current: {rv}"
        details: Object = {
            "causes": [
                {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
            ],
            "retryAfterSeconds": 1,
        }
        raise APIError(504, "Timeout", message, details, 1)


def continued(
    found: list[Stored], query: Mapping[str, str], rv: int
) -> tuple[list[Stored], str, int, int]:
    """Return one page, the token of the next one, how many objects remain, and the list's version.

    Every page has the version of the first: who watches from there misses nothing that happened
    between two pages. Unlike the real server's, a later page shows the objects of now.

    Raises:
        APIError: the token cannot be read (400).
    """
    start, limit = 0, int(query.get("limit") or 0)
    if query.get("continue"):
        try:
            token = json.loads(base64.b64decode(query["continue"]))
            after, rv = (token["namespace"], token["name"]), int(token["rv"])
        except (ValueError, KeyError) as error:
            raise bad_request("continue key is not valid") from error
        start = sum(_place(stored) <= after for stored in found)
    end = start + limit if limit else len(found)
    page, remaining = found[start:end], max(len(found) - end, 0)
    if not remaining:
        return page, "", 0, rv
    namespace, name = _place(page[-1])
    body = {"v": "meta.k8s.io/v1", "rv": rv, "namespace": namespace, "name": name}
    return page, base64.b64encode(json.dumps(body).encode()).decode(), remaining, rv


def _place(stored: Stored) -> tuple[str, str]:
    meta = stored.obj["metadata"]
    return (meta.get("namespace", ""), meta["name"])


def _item(resource: Resource, obj: Object) -> Object:
    """Return an item as Go writes it: the list names the type, the items do not."""
    return without(served(resource, obj), "apiVersion", "kind")


def encoded_list(resource: Resource, found: list[Stored], meta: Object) -> bytes:
    """Return a list as JSON, made from the objects' own cached texts."""
    head = json.dumps(
        {"kind": resource.list_kind, "apiVersion": resource.api_version, "metadata": meta}
    ).encode()
    if resource.custom:
        shape, view = resource.api_version, partial(served, resource)
    else:
        shape, view = f"item of {resource.api_version}", partial(_item, resource)
    texts = (stored.text(shape, view) for stored in found)
    return head[:-1] + b',"items":[' + b",".join(texts) + b"]}"
