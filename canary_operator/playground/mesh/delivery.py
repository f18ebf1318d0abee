"""Getting a configuration into Envoy without losing a request.

Files are replaced atomically, and Envoy sees it within milliseconds. The order makes it safe: new
clusters with their endpoints before the routes that name them, and clusters are taken away only
after no route names them any more. Each stage waits until Envoy says it has followed.
"""

import asyncio
import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from canary_operator.adapters.cluster.feed import Manifest
from canary_operator.playground.mesh.bootstrap import ConfigPaths
from canary_operator.playground.mesh.clusters import RenderedCluster, endpoints_file
from canary_operator.playground.mesh.envoy import Envoy

ROUTES_TYPE = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration"
ACCEPT_SECONDS = 30.0
POLL_SECONDS = 0.002


class ConfigRejectedError(RuntimeError):
    """Envoy refused a configuration; what it had stays in force. A repetition would not help."""


class ConfigNotFollowedError(RuntimeError):
    """Envoy did not say in time that it follows a configuration; worth a repetition."""


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
        self._taken: dict[Path, list[Manifest]] = {}
        """What Envoy has said it follows; it may lag behind, or refuse, what was written."""
        self._version = 0

    def prepare(self, config: MeshConfig) -> None:
        """Write the configuration that Envoy will find when it starts."""
        self._paths.endpoints.mkdir(parents=True, exist_ok=True)
        for name, cluster in config.clusters.items():
            self._write(endpoints_file(self._paths.endpoints, name), [cluster.endpoints])
        self._write(self._paths.clusters, _clusters(config.clusters))
        for listener, routes in config.routes.items():
            self._write(self._paths.routes(listener), [routes])
        self._taken = dict(self._written)

    async def deliver(self, config: MeshConfig, envoy: Envoy) -> None:
        """Bring Envoy from what it has to `config`.

        Raises:
            ConfigRejectedError: Envoy refused it.
            ConfigNotFollowedError: Envoy did not follow in time.
        """
        await self._replace_endpoints(config, envoy)
        present = {item["name"]: item for item in self._written[self._paths.clusters]}
        both = {item["name"]: item for item in _clusters(config.clusters)}
        await self._replace_clusters(list({**present, **both}.values()), envoy)
        self._taken.update(self._new_endpoints(config))
        for listener, routes in config.routes.items():
            await self._replace_routes(listener, routes, envoy)
        await self._replace_clusters(list(both.values()), envoy)
        self._remove_endpoints(config)

    async def _replace_endpoints(self, config: MeshConfig, envoy: Envoy) -> None:
        """Bring known clusters to their new endpoints; new clusters find theirs when they come."""
        for name, cluster in config.clusters.items():
            path = endpoints_file(self._paths.endpoints, name)
            if path in self._taken:
                await self._replace(path, [cluster.endpoints], f"cluster.{name}", envoy)
            else:
                self._write(path, [cluster.endpoints])

    async def _replace_clusters(self, clusters: list[Manifest], envoy: Envoy) -> None:
        await self._replace(self._paths.clusters, clusters, "cluster_manager.cds", envoy)

    async def _replace_routes(self, listener: str, routes: Manifest, envoy: Envoy) -> None:
        subscription = f"http.{listener}.rds.{listener}"
        await self._replace(self._paths.routes(listener), [routes], subscription, envoy)

    async def _replace(
        self, path: Path, resources: list[Manifest], subscription: str, envoy: Envoy
    ) -> None:
        """Write a file, unless Envoy follows it already, and wait until it does."""
        if self._taken.get(path) == resources:
            return
        refusals = (await _Progress.of(subscription, envoy)).refusals
        version = self._write(path, resources)
        deadline = time.monotonic() + ACCEPT_SECONDS
        while not (progress := await _Progress.of(subscription, envoy)).has_taken(version):
            what = f"version {version} of {subscription}, it runs {progress.version}"
            if progress.refusals > refusals:
                raise ConfigRejectedError(
                    f"Envoy refused {what}. Its last lines:\n{envoy.daemon.tail()}"
                )
            if time.monotonic() > deadline:
                raise ConfigNotFollowedError(
                    f"Envoy did not follow {what}. Its last lines:\n{envoy.daemon.tail()}"
                )
            await asyncio.sleep(POLL_SECONDS)
        self._taken[path] = resources

    def _remove_endpoints(self, config: MeshConfig) -> None:
        wanted = {endpoints_file(self._paths.endpoints, name) for name in config.clusters}
        for path in [path for path in self._written if path.parent == self._paths.endpoints]:
            if path not in wanted:
                path.unlink(missing_ok=True)
                del self._written[path]
                self._taken.pop(path, None)

    def _new_endpoints(self, config: MeshConfig) -> dict[Path, list[Manifest]]:
        """Return the endpoints that Envoy has read together with their clusters."""
        files = (endpoints_file(self._paths.endpoints, name) for name in config.clusters)
        return {path: self._written[path] for path in files if path not in self._taken}

    def _write(self, path: Path, resources: list[Manifest]) -> str:
        """Replace a file at once; return its version."""
        self._version += 1
        document = {"version_info": str(self._version), "resources": resources}
        draft = self._paths.directory / f"draft-{self._version}"
        draft.write_text(json.dumps(document))
        draft.replace(path)
        self._written[path] = resources
        return str(self._version)


@dataclass(frozen=True)
class _Progress:
    """How far Envoy is with one file."""

    version: str | None
    refusals: int
    warming: int
    """Clusters whose endpoints it does not know yet."""

    @classmethod
    async def of(cls, subscription: str, envoy: Envoy) -> Self:
        """Ask Envoy."""
        ours = re.escape(subscription)
        stats = await envoy.stats(
            rf"^({ours}\.(version_text|update_rejected)|cluster_manager\.warming_clusters)$"
        )
        return cls(
            stats.get(f"{subscription}.version_text"),
            int(stats.get(f"{subscription}.update_rejected", 0)),
            int(stats.get("cluster_manager.warming_clusters", 0)),
        )

    def has_taken(self, version: str) -> bool:
        """Whether requests follow `version`."""
        return self.version == version and not self.warming


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
