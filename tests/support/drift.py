"""Hands of somebody else on the objects of a rollout, and an eye on how long it lasts."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from canary_operator.playground.client import APPLY, MERGE, Change, ChangeKind, Manifest, Resource
from tests.support.bed import Release
from tests.support.clusters import eventually

OURS = "canary-operator.dev/"


def essence(body: Manifest) -> Manifest:
    """Return what of an object must come back; the rest is the API server's or others'."""
    meta = body["metadata"]
    annotations = meta.get("annotations") or {}
    kept = {
        "labels": meta.get("labels") or {},
        "annotations": {name: value for name, value in annotations.items() if OURS in name},
        "ownerReferences": meta.get("ownerReferences"),
    }
    spec = {name: value for name, value in body["spec"].items() if "clusterIP" not in name}
    return deepcopy({"metadata": kept, "spec": spec})


@dataclass(frozen=True)
class Edit:
    """Something that a person or another controller does to an object of the rollout."""

    title: str
    resource: Resource
    name: str
    patch: Callable[[Manifest], Manifest] | None = None
    """From the object to what is sent; None deletes it."""
    ctype: str = MERGE

    async def do(self, release: Release) -> None:
        client, namespace = release.bed.client, release.namespace
        if self.patch is None:
            await client.delete(self.resource, self.name, namespace)
            return
        body = self.patch(await client.get(self.resource, self.name, namespace))
        query = {"fieldManager": "somebody"}
        if self.ctype == APPLY:
            query["force"] = "true"
        await client.patch(self.resource, self.name, body, namespace, ctype=self.ctype, **query)


def weights(stable: int) -> Callable[[Manifest], Manifest]:
    def patch(route: Manifest) -> Manifest:
        http = deepcopy(route["spec"]["http"])
        for part, weight in zip(http[0]["route"], (stable, 100 - stable), strict=True):
            part["weight"] = weight
        return {"spec": {"http": http}}

    return patch


def said(**spec: Any) -> Callable[[Manifest], Manifest]:
    return lambda _: {"spec": spec}


def applied(change: Callable[[Manifest], Manifest], kind: str) -> Callable[[Manifest], Manifest]:
    """Return what `kubectl apply --server-side --force-conflicts` sends."""

    def patch(body: Manifest) -> Manifest:
        version = body["apiVersion"]
        meta = {"name": body["metadata"]["name"]}
        return {"apiVersion": version, "kind": kind, "metadata": meta, **change(body)}

    return patch


def image(name: str) -> Manifest:
    return {"template": {"spec": {"containers": [{"name": "app", "image": name}]}}}


def unlabelled(_: Manifest) -> Manifest:
    """Take away the label by which the operator watches."""
    return {"metadata": {"labels": {f"{OURS}rollout": None}}}


@dataclass
class Sight:
    """What a watch tells of one object, and when it told."""

    name: str
    namespace: str
    told: list[tuple[float, Manifest | None]] = field(default_factory=list)

    def saw(self, change: Change) -> None:
        if change.kind is ChangeKind.SYNCED:
            return
        meta = change.object["metadata"]
        if (meta["namespace"], meta["name"]) == (self.namespace, self.name):
            gone = change.kind is ChangeKind.DELETED
            at = asyncio.get_running_loop().time()
            self.told.append((at, None if gone else essence(change.object)))

    def seconds_astray(self, wanted: Manifest) -> float | None:
        """Return how long the object was not as wanted; None while it was not restored."""
        astray = [index for index, (_, body) in enumerate(self.told) if body != wanted]
        if not astray or astray[-1] + 1 == len(self.told):
            return None
        return self.told[astray[-1] + 1][0] - self.told[astray[0]][0]


@asynccontextmanager
async def watching(release: Release, edit: Edit) -> AsyncIterator[Sight]:
    sight = Sight(edit.name, release.namespace)

    async def follow() -> None:
        async for change in release.bed.client.watch(edit.resource):
            sight.saw(change)

    task = asyncio.create_task(follow())
    try:

        async def begun() -> bool:
            return bool(sight.told)

        await eventually(begun)
        yield sight
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
