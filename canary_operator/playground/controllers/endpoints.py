"""Keeps the EndpointSlices of Services with selectors."""

import asyncio

from canary_operator.playground.client import (
    ENDPOINT_SLICES,
    Change,
    ChangeKind,
    Client,
    Manifest,
)
from canary_operator.playground.controllers.cache import Cache, Key, is_terminating, key_of
from canary_operator.playground.controllers.endpoint_slices import (
    MANAGER,
    MANAGER_LABEL,
    SERVICE_LABEL,
    is_selected,
    ports_of,
    slice_manifest,
    wanted_slices,
)
from canary_operator.playground.controllers.worker import Worker


class EndpointsController:
    """Reconciles a Service whenever it, its slices, or a pod that it selects changes."""

    def __init__(self, client: Client, services: Cache, slices: Cache, pods: Cache) -> None:
        self.worker = Worker("endpoints", self._reconcile)
        self._client = client
        self._services = services
        self._slices = slices
        self._pods = pods
        services.subscribe(self._service_changed)
        slices.subscribe(self._slice_changed)
        pods.subscribe(self._pod_changed)

    def _service_changed(self, change: Change) -> None:
        if change.kind is not ChangeKind.SYNCED:
            self.worker.wake(key_of(change.object))

    def _slice_changed(self, change: Change) -> None:
        """Notice slices that somebody else changed or deleted; and late ones of gone Services."""
        if change.kind is not ChangeKind.SYNCED and (owner := _service_of(change.object)):
            self.worker.wake((key_of(change.object)[0], owner))

    def _pod_changed(self, change: Change) -> None:
        """Wake the Services that select a pod, and those that used to list it."""
        if change.kind is ChangeKind.SYNCED:
            return
        pod = change.object
        namespace, _ = key_of(pod)
        for service in self._services.within(namespace):
            if is_selected(service, pod):
                self.worker.wake(key_of(service))
        for each in self._slices.within(namespace):
            if (owner := _service_of(each)) and _lists(each, pod):
                self.worker.wake((namespace, owner))

    async def _reconcile(self, key: Key) -> None:
        service = self._services.get(key)
        present = self._slices_of(key)
        if service is None or is_terminating(service) or not service["spec"].get("selector"):
            await asyncio.gather(*(self._slices.delete(each) for each in present))
            return
        wanted = wanted_slices(service, self._pods.within(key[0]))
        for each in present:
            endpoints = wanted.pop(ports_of(each), None)
            if endpoints is None:
                await self._slices.delete(each)
            elif endpoints != (each.get("endpoints") or []):
                answer = await self._client.replace(
                    ENDPOINT_SLICES, {**each, "endpoints": endpoints}
                )
                self._slices.remember(answer)
        for ports, endpoints in wanted.items():
            body = slice_manifest(service, ports, endpoints)
            self._slices.remember(await self._client.create(ENDPOINT_SLICES, body, key[0]))

    def _slices_of(self, key: Key) -> list[Manifest]:
        namespace, name = key
        return [each for each in self._slices.within(namespace) if _service_of(each) == name]


def _service_of(endpoint_slice: Manifest) -> str | None:
    """Return the Service of a slice that this controller keeps; others keep their own."""
    labels = endpoint_slice["metadata"].get("labels") or {}
    return labels.get(SERVICE_LABEL) if labels.get(MANAGER_LABEL) == MANAGER else None


def _lists(endpoint_slice: Manifest, pod: Manifest) -> bool:
    uids = (
        (each.get("targetRef") or {}).get("uid") for each in endpoint_slice.get("endpoints") or []
    )
    return pod["metadata"]["uid"] in uids
