"""Deployments become pods at once: what controllers and nodes do, in as few requests as it takes.

The playground's controllers do all that those of a cluster do, for one rollout or ten. For
thousands they would need more of the machine than the operator that is measured. The operator
sees the same objects in the end: pods of the wanted revision, and counts in the status.
"""

import asyncio
import itertools
from collections import defaultdict
from contextlib import suppress
from typing import Any, Self

from canary_operator.playground.client import (
    DEPLOYMENTS,
    MERGE,
    PODS,
    ChangeKind,
    Client,
    ConflictError,
    Manifest,
    NotFoundError,
)
from canary_operator.playground.mesh.background import Background

Place = tuple[str, str]


class Hands:
    """Follows the Deployments of an API server; an async context manager."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._numbers = itertools.count()
        self._pods: dict[Place, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
        """Pods of each Deployment by the labels that tell its revisions apart."""
        self._latest: dict[Place, Manifest] = {}
        self._busy: set[Place] = set()
        self._background = Background()
        self._working: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._background.start(self._follow(), "deployments")
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._background.__aexit__(*error)
        for task in self._working:
            task.cancel()
        await asyncio.gather(*self._working, return_exceptions=True)

    async def _follow(self) -> None:
        async for change in self._client.watch(DEPLOYMENTS):
            if change.kind is ChangeKind.SYNCED:
                continue
            meta = change.object["metadata"]
            place = meta["namespace"], meta["name"]
            if change.kind is ChangeKind.DELETED:
                self._latest.pop(place, None)
                for names in self._pods.pop(place, {}).values():
                    await self._remove(place[0], names)
            elif _generation(change.object) != _generation(self._latest.get(place)):
                self._latest[place] = change.object
                self._work(place)

    def _work(self, place: Place) -> None:
        if place not in self._busy:
            self._busy.add(place)
            task = asyncio.create_task(self._shape(place))
            self._working.add(task)
            task.add_done_callback(self._working.discard)

    async def _shape(self, place: Place) -> None:
        """Make pods, tell of them, and remove old ones, until nothing new is asked for."""
        done = 0
        try:
            while (wanted := self._latest.get(place)) and _generation(wanted) != done:
                with suppress(NotFoundError, ConflictError):
                    await self._shape_once(place, wanted)
                done = _generation(wanted)
        finally:
            self._busy.discard(place)

    async def _shape_once(self, place: Place, wanted: Manifest) -> None:
        replicas, template = wanted["spec"]["replicas"], wanted["spec"]["template"]
        revision = str(sorted(template["metadata"]["labels"].items()))
        revisions = self._pods[place]
        mine = revisions[revision]
        while len(mine) < replicas:
            mine.append(await self._make(wanted))
        surplus = [mine.pop() for _ in range(len(mine) - replicas)]
        old = [name for other in list(revisions) if other != revision for name in revisions[other]]
        if old:
            await self._tell(wanted, replicas + len(old), replicas)
        for other in [other for other in revisions if other != revision]:
            del revisions[other]
        await self._remove(place[0], [*surplus, *old])
        await self._tell(wanted, replicas, replicas)

    async def _make(self, deployment: Manifest) -> str:
        meta, template = deployment["metadata"], deployment["spec"]["template"]
        name = f"{meta['name']}-{next(self._numbers)}"
        labels = {**meta["labels"], **template["metadata"]["labels"]}
        pod = {"metadata": {"name": name, "labels": labels}, "spec": template["spec"]}
        await self._client.create(PODS, pod, meta["namespace"])
        ready = [{"type": kind, "status": "True"} for kind in ("Ready", "ContainersReady")]
        status = {"status": {"phase": "Running", "conditions": ready}}
        await self._client.patch(
            PODS, name, status, meta["namespace"], ctype=MERGE, subresource="status"
        )
        return name

    async def _remove(self, namespace: str, names: list[str]) -> None:
        for name in names:
            with suppress(NotFoundError):
                await self._client.delete(PODS, name, namespace, grace_seconds=0)

    async def _tell(self, deployment: Manifest, pods: int, updated: int) -> None:
        meta = deployment["metadata"]
        status: dict[str, Any] = {
            "observedGeneration": meta["generation"],
            "replicas": pods,
            "updatedReplicas": updated,
            "readyReplicas": pods,
            "availableReplicas": pods,
        }
        await self._client.patch(
            DEPLOYMENTS,
            meta["name"],
            {"status": status},
            meta["namespace"],
            ctype=MERGE,
            subresource="status",
        )


def _generation(deployment: Manifest | None) -> int:
    return int(deployment["metadata"]["generation"]) if deployment else 0
