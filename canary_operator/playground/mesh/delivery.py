"""Getting a configuration into Envoy without losing a request.

Files are replaced atomically, and Envoy sees it within milliseconds. The order makes it safe: new
clusters with their endpoints before the routes that name them, and clusters are taken away only
after no route names them any more. Each stage waits until Envoy says it has followed.
"""

import asyncio
import json
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from canary_operator.playground.mesh.bootstrap import ConfigPaths
from canary_operator.playground.mesh.clusters import RenderedCluster, endpoints_file
from canary_operator.playground.mesh.envoy import Envoy
from canary_operator.playground.watch import Manifest

logger = logging.getLogger(__name__)

ROUTES_TYPE = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration"
ACCEPT_SECONDS = 5.0
POLL_SECONDS = 0.002


class ConfigRejectedError(RuntimeError):
    """Envoy did not accept a configuration; what it had stays in force."""


@dataclass(frozen=True)
class MeshConfig:
    """All that changes while Envoy runs."""

    clusters: Mapping[str, RenderedCluster]
    routes: Mapping[str, Manifest]
    """Route configuration by listener."""


class Delivery:
    """Writes configurations for Envoy, remembering what is in force."""

    def __init__(self, paths: ConfigPaths) -> None:
        self._paths = paths
        self._written: dict[Path, list[Manifest]] = {}
        self._version = 0

    def prepare(self, config: MeshConfig) -> None:
        """Write the configuration that Envoy will find when it starts."""
        self._paths.endpoints.mkdir(parents=True, exist_ok=True)
        self._write_endpoints(config)
        self._write(self._paths.clusters, _clusters(config.clusters))
        for listener, routes in config.routes.items():
            self._write(self._paths.routes(listener), [routes])

    async def deliver(self, config: MeshConfig, envoy: Envoy) -> None:
        """Bring Envoy from what it has to `config`.

        Raises:
            ConfigRejectedError: Envoy refused it or did not answer in time.
        """
        self._write_endpoints(config)
        present = {item["name"]: item for item in self._written[self._paths.clusters]}
        both = {item["name"]: item for item in _clusters(config.clusters)}
        await self._replace_clusters(list({**present, **both}.values()), envoy)
        for listener, routes in config.routes.items():
            await self._replace_routes(listener, routes, envoy)
        await self._replace_clusters(list(both.values()), envoy)
        self._remove_endpoints(config)

    async def _replace_clusters(self, clusters: list[Manifest], envoy: Envoy) -> None:
        if version := self._write(self._paths.clusters, clusters):
            await self._accepted("cluster_manager.cds", version, envoy)

    async def _replace_routes(self, listener: str, routes: Manifest, envoy: Envoy) -> None:
        if version := self._write(self._paths.routes(listener), [routes]):
            await self._accepted(f"http.{listener}.rds.{listener}", version, envoy)

    def _write_endpoints(self, config: MeshConfig) -> None:
        """Write endpoints without waiting: until Envoy follows, the old ones are still good."""
        for name, cluster in config.clusters.items():
            self._write(endpoints_file(self._paths.endpoints, name), [cluster.endpoints])

    def _remove_endpoints(self, config: MeshConfig) -> None:
        wanted = {endpoints_file(self._paths.endpoints, name) for name in config.clusters}
        for path in [path for path in self._written if path.parent == self._paths.endpoints]:
            if path not in wanted:
                path.unlink(missing_ok=True)
                del self._written[path]

    def _write(self, path: Path, resources: list[Manifest]) -> str | None:
        """Replace a file; return its version, or `None` when nothing was different."""
        if self._written.get(path) == resources:
            return None
        self._version += 1
        document = {"version_info": str(self._version), "resources": resources}
        draft = self._paths.directory / f"draft-{self._version}"
        draft.write_text(json.dumps(document))
        draft.replace(path)
        self._written[path] = resources
        return str(self._version)

    async def _accepted(self, subscription: str, version: str, envoy: Envoy) -> None:
        """Wait until Envoy runs `version` and knows the endpoints of every new cluster."""
        deadline = time.monotonic() + ACCEPT_SECONDS
        pattern = rf"^({subscription}\.version_text|cluster_manager\.warming_clusters)$"
        while True:
            stats = await envoy.stats(pattern.replace(".rds", r"\.rds"))
            in_force = stats.get(f"{subscription}.version_text")
            if in_force == version and stats.get("cluster_manager.warming_clusters") == "0":
                return
            if time.monotonic() > deadline:
                raise ConfigRejectedError(
                    f"Envoy did not take version {version} of {subscription}, "
                    f"it runs {in_force}. Its last lines:\n{envoy.daemon.tail()}"
                )
            await asyncio.sleep(POLL_SECONDS)


def route_configuration(name: str, hosts: list[Manifest], *, ignore_ports: bool) -> Manifest:
    """Return all routes of one listener.

    A route may name a cluster that does not exist (a VirtualService's destination without a
    Service): as in Istio, requests that take it get a 503 with flag `NC`.
    """
    return {
        "@type": ROUTES_TYPE,
        "name": name,
        "virtual_hosts": hosts,
        "ignore_port_in_host_matching": ignore_ports,
        "validate_clusters": False,
    }


def _clusters(rendered: Mapping[str, RenderedCluster]) -> list[Manifest]:
    return [cluster.cluster for cluster in rendered.values()]
