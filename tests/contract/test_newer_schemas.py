"""A newer schema of a custom resource: what becomes of objects that are already stored."""

from typing import Any

import pytest

from tests.contract.kube import Kube
from tests.contract.objects import DEFINITIONS

pytestmark = pytest.mark.asyncio

GADGETS = "/apis/$GROUP/v1/namespaces/$NS/gadgets"
MINE = f"{DEFINITIONS}/gadgets.$GROUP"


def definition(**fields: Any) -> dict[str, Any]:
    spec = {"type": "object", "properties": {"name": {"type": "string"}, **fields}}
    schema = {"type": "object", "properties": {"spec": spec}}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names = {"plural": "gadgets", "singular": "gadget", "kind": "Gadget"}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "gadgets.$GROUP"},
        "spec": {"group": "$GROUP", "names": names, "scope": "Namespaced", "versions": [version]},
    }


async def test_a_new_default_shows_in_stored_objects_and_is_no_write(kube_api: Kube) -> None:
    tempo = {"type": "string", "default": "normal"}
    await serve(kube_api)
    body = {"apiVersion": "$GROUP/v1", "kind": "Gadget", "metadata": {"name": "g"}}
    old = (await kube_api.create(GADGETS, {**body, "spec": {"name": "a"}})).body
    assert old["spec"] == {"name": "a"}

    await serve(kube_api, tempo=tempo)
    await kube_api.until(lambda: has_spec(kube_api, {"name": "a", "tempo": "normal"}))
    new = (await kube_api.get(f"{GADGETS}/g")).body
    assert new["metadata"] == old["metadata"], "neither generation nor version"
    listed = (await kube_api.get(GADGETS)).body["items"]
    assert [each["spec"] for each in listed] == [new["spec"]]

    await serve(kube_api)
    await kube_api.until(lambda: has_spec(kube_api, {"name": "a"}))

    # What a write brings along is stored, and is there again when its field comes back.
    await serve(kube_api, tempo=tempo)
    await kube_api.until(lambda: has_spec(kube_api, {"name": "a", "tempo": "normal"}))
    await kube_api.patch(f"{GADGETS}/g", {"spec": {"name": "b"}})
    await serve(kube_api, tempo={"type": "string"})
    await kube_api.until(lambda: has_spec(kube_api, {"name": "b", "tempo": "normal"}))


async def serve(kube_api: Kube, **fields: Any) -> None:
    applied = await kube_api.apply(MINE, definition(**fields), force="true")
    assert applied.status in (200, 201), applied.body
    await kube_api.until_served(GADGETS)


async def has_spec(kube_api: Kube, spec: dict[str, Any]) -> bool:
    found = await kube_api.get(f"{GADGETS}/g")
    return bool(found.body.get("spec") == spec)
