"""The whole mesh in one object: control, Envoy and telemetry."""

import logging
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Self

from canary_operator.playground.mesh.background import Background
from canary_operator.playground.mesh.bootstrap import (
    GATEWAY_LISTENER,
    MESH_LISTENER,
    ConfigPaths,
)
from canary_operator.playground.mesh.control import ClusterView, Control
from canary_operator.playground.mesh.envoy import Envoy
from canary_operator.playground.mesh.exporter import Exporter
from canary_operator.playground.mesh.matching import Caller
from canary_operator.playground.mesh.series import RequestMetrics, Workload
from canary_operator.playground.mesh.telemetry import observed

logger = logging.getLogger(__name__)

VISITOR = Workload(
    name="visitor",
    namespace="playground",
    pod="visitor-0",
    address="127.0.0.1",
    app="visitor",
    version="v1",
    canonical_service="visitor",
    canonical_revision="v1",
)
"""Who calls through the mesh, as telemetry names it."""


class Mesh:
    """Carries requests by the VirtualServices of a cluster and measures them as Istio does.

    async with Mesh(client, directory) as mesh:
        print(mesh.url_for("web", "demo"), mesh.metrics_target)
    """

    def __init__(
        self,
        cluster: ClusterView,
        directory: Path,
        *,
        cluster_domain: str = "cluster.local",
        source: Workload = VISITOR,
    ) -> None:
        """Remember the parts, start nothing yet.

        Args:
            cluster: An opened `Client` of the API server to follow.
            directory: An existing folder for Envoy's files; it stays the caller's to remove.
            cluster_domain: As in `--cluster-domain` of the operator.
            source: The workload that telemetry names as the caller.
        """
        paths = ConfigPaths(directory)
        caller = Caller(namespace=source.namespace, labels={"app": source.app})
        self.control = Control(cluster, paths, caller, cluster_domain)
        self.envoy = Envoy(paths)
        self.metrics = RequestMetrics()
        self.port = 0
        """Where the mesh listens on loopback; the Host header says which Service is meant."""
        self.gateway_port = 0
        self._source = source
        self._cluster_domain = cluster_domain
        self._exporter = Exporter(self.metrics)
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            watches = await stack.enter_async_context(Background())
            await self.control.prepare(watches)
            await stack.enter_async_context(self.envoy)
            await stack.enter_async_context(self._exporter)
            work = await stack.enter_async_context(Background())
            self.port = await self.envoy.port(MESH_LISTENER)
            self.gateway_port = await self.envoy.port(GATEWAY_LISTENER)
            work.start(self._measure(), "telemetry")
            work.start(self.control.run(self.envoy), "mesh control")
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    @property
    def url(self) -> str:
        """Address of the mesh for callers inside; the Host header says which Service is meant."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def gateway_url(self) -> str:
        """Address of the ingress gateway; it routes by Host header, as every gateway does."""
        return f"http://127.0.0.1:{self.gateway_port}"

    @property
    def metrics_port(self) -> int:
        """Where `/metrics` is served on loopback."""
        return self._exporter.port

    @property
    def metrics_target(self) -> str:
        """Host and port to scrape."""
        return self._exporter.target

    def host_of(self, service: str, namespace: str) -> str:
        """Return the Host header that means a Service."""
        return f"{service}.{namespace}.svc.{self._cluster_domain}"

    def url_for(self, service: str, namespace: str) -> str:
        """Return the address of a Service for curl and browsers.

        They resolve `*.localhost` to loopback themselves, and so does `LoadGenerator`. Other
        programs ask for `url` with the Host header `host_of`.
        """
        return f"http://{service}.{namespace}.localhost:{self.port}"

    async def _measure(self) -> None:
        async for line in self.envoy.log_lines():
            if seen := observed(line, self._source):
                request, milliseconds = seen
                self.metrics.add(request, milliseconds)
        # An orderly stop cancels this task before it ends Envoy, so nobody asked for this.
        logger.error("Envoy ended and carries no more requests:\n%s", self.envoy.daemon.tail())
