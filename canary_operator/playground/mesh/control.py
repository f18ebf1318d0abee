"""A small istiod: watches the cluster and keeps Envoy's configuration in step with it."""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

from canary_operator.adapters.cluster.feed import Change, ChangeKind, Manifest
from canary_operator.playground.client import ENDPOINT_SLICES, PODS, SERVICES, Resource
from canary_operator.playground.mesh.background import Background
from canary_operator.playground.mesh.bootstrap import (
    GATEWAY_LISTENER,
    MESH_LISTENER,
    ConfigPaths,
)
from canary_operator.playground.mesh.catalog import Catalog, ClusterObjects, ObjectKey, catalog_of
from canary_operator.playground.mesh.clusters import clusters_of
from canary_operator.playground.mesh.delivery import (
    ConfigNotFollowedError,
    ConfigRejectedError,
    Delivery,
    MeshConfig,
    route_configuration,
)
from canary_operator.playground.mesh.envoy import Envoy
from canary_operator.playground.mesh.hosts import gateway_hosts, mesh_hosts
from canary_operator.playground.mesh.matching import Caller

logger = logging.getLogger(__name__)

VIRTUAL_SERVICES = Resource("virtualservices", "networking.istio.io")
SYNC_SECONDS = 30.0
OPTIONAL_SYNC_SECONDS = 1.0
"""How long the start waits for VirtualServices: their CRD may be installed later."""
SETTLE_SECONDS = 0.002
"""Changes that come together, such as a Service and its endpoints, are delivered together."""


class ClusterUnreachableError(RuntimeError):
    """The API server did not list what the mesh needs."""


def mesh_config(catalog: Catalog, caller: Caller, paths: ConfigPaths) -> MeshConfig:
    """Return everything that Envoy shall do, from everything that the cluster says."""
    return MeshConfig(
        clusters=clusters_of(catalog, paths.endpoints),
        routes={
            MESH_LISTENER: route_configuration(
                MESH_LISTENER, mesh_hosts(catalog, caller), ignore_ports=False
            ),
            GATEWAY_LISTENER: route_configuration(
                GATEWAY_LISTENER, gateway_hosts(catalog), ignore_ports=True
            ),
        },
    )


class ClusterView(Protocol):
    """What the mesh needs of an API client."""

    url: str

    def watch(self, resource: Resource) -> AsyncGenerator[Change, None]:
        """Report every object, then `SYNCED`, then every change, for ever."""
        ...


@dataclass
class Control:
    """Follows one API server on behalf of one Envoy."""

    cluster: ClusterView
    paths: ConfigPaths
    caller: Caller
    cluster_domain: str = "cluster.local"
    _objects: ClusterObjects = field(default_factory=ClusterObjects)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _synced: dict[Resource, asyncio.Event] = field(default_factory=dict)
    _delivered: asyncio.Condition = field(default_factory=asyncio.Condition)

    def __post_init__(self) -> None:
        self._delivery = Delivery(self.paths)
        self._kinds: dict[Resource, dict[ObjectKey, Manifest]] = {
            SERVICES: self._objects.services,
            ENDPOINT_SLICES: self._objects.endpoint_slices,
            PODS: self._objects.pods,
            VIRTUAL_SERVICES: self._objects.virtual_services,
        }
        self._synced = {resource: asyncio.Event() for resource in self._kinds}
        self.in_force = Catalog({})
        """What Envoy runs."""

    async def prepare(self, background: Background) -> None:
        """Begin to watch and write the first configuration, before Envoy starts."""
        for resource in self._kinds:
            background.start(self._follow(resource), f"watch {resource.plural}")
        try:
            async with asyncio.timeout(SYNC_SECONDS):
                for resource in (SERVICES, ENDPOINT_SLICES, PODS):
                    await self._synced[resource].wait()
        except TimeoutError:
            raise ClusterUnreachableError(
                f"The API server at {self.cluster.url} did not list Services, EndpointSlices and "
                f"Pods within {SYNC_SECONDS:g} s. Is it running, and may this client read them?"
            ) from None
        with suppress(TimeoutError):
            async with asyncio.timeout(OPTIONAL_SYNC_SECONDS):
                await self._synced[VIRTUAL_SERVICES].wait()
        self._changed.clear()
        self.in_force = self._catalog()
        self._delivery.prepare(self._config(self.in_force))

    async def run(self, envoy: Envoy) -> None:
        """Deliver every change, for ever."""
        while True:
            await self._changed.wait()
            await asyncio.sleep(SETTLE_SECONDS)
            self._changed.clear()
            await self._deliver(envoy)

    async def wait_until(
        self, condition: Callable[[Catalog], bool], seconds: float = SYNC_SECONDS
    ) -> float:
        """Wait until Envoy runs a catalog that meets `condition`; return the seconds it took.

        Raises:
            TimeoutError: it did not happen in time.
        """
        begun = time.monotonic()
        async with asyncio.timeout(seconds), self._delivered:
            await self._delivered.wait_for(lambda: condition(self.in_force))
        return time.monotonic() - begun

    async def _deliver(self, envoy: Envoy) -> None:
        catalog = self._catalog()
        try:
            await self._delivery.deliver(self._config(catalog), envoy)
        except ConfigRejectedError as error:
            logger.warning("Mesh configuration refused: %s", error)
            return
        except ConfigNotFollowedError as error:
            logger.warning("Mesh configuration is late, sent again: %s", error)
            self._changed.set()
            return
        async with self._delivered:
            self.in_force = catalog
            self._delivered.notify_all()

    async def _follow(self, resource: Resource) -> None:
        store = self._kinds[resource]
        async for change in self.cluster.watch(resource):
            if change.kind is ChangeKind.SYNCED:
                self._synced[resource].set()
                continue
            meta = change.object["metadata"]
            key = (meta["namespace"], meta["name"])
            if change.kind is ChangeKind.DELETED:
                store.pop(key, None)
            else:
                store[key] = change.object
            self._changed.set()

    def _catalog(self) -> Catalog:
        return catalog_of(self._objects, self.cluster_domain)

    def _config(self, catalog: Catalog) -> MeshConfig:
        return mesh_config(catalog, self.caller, self.paths)
