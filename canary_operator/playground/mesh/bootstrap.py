"""The configuration that Envoy starts with: three listeners; the rest it reads from files.

- `mesh`: what callers' sidecars do;
- `gateway`: an ingress gateway;
- `mirror`: a detour for mirrored requests, on a socket in the file system. Envoy writes no
  telemetry for copies it sends; passing this listener, they are written down at the pod's side
  and, as in Istio, only there.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from canary_operator.adapters.cluster.feed import Manifest
from canary_operator.domain.re2 import MOST_STEPS
from canary_operator.playground.mesh.routes import FAULT_FILTER, MIRROR_CLUSTER, MIRROR_HEADER
from canary_operator.playground.mesh.series import Reporter
from canary_operator.playground.mesh.telemetry import LOG_FIELDS

_TYPES = "type.googleapis.com/envoy"
MESH_LISTENER = "mesh"
GATEWAY_LISTENER = "gateway"
MIRROR_SOCKET = "mirror.sock"

ISTIOS_RUNTIME = {"re2.max_program_size.error_level": MOST_STEPS}
"""Envoy's own default takes regular expressions of a hundred steps only."""


@dataclass(frozen=True)
class ConfigPaths:
    """Where Envoy's configuration lies inside the mesh's directory."""

    directory: Path

    @property
    def bootstrap(self) -> Path:
        """What Envoy is started with."""
        return self.directory / "bootstrap.json"

    @property
    def clusters(self) -> Path:
        """All clusters."""
        return self.directory / "clusters.json"

    @property
    def endpoints(self) -> Path:
        """The folder of the endpoints, one file per cluster."""
        return self.directory / "endpoints"

    def routes(self, listener: str) -> Path:
        """All routes of one listener."""
        return self.directory / f"routes-{listener}.json"


def bootstrap(paths: ConfigPaths) -> Manifest:
    """Return Envoy's bootstrap; it listens on loopback, on ports that the kernel chooses."""
    loopback = {"socket_address": {"address": "127.0.0.1", "port_value": 0}}
    return {
        "node": {"id": "playground", "cluster": "playground"},
        "admin": {"address": loopback},
        "dynamic_resources": {"cds_config": _file(paths.clusters)},
        "static_resources": {
            "clusters": [_mirror_cluster()],
            "listeners": [
                _listener(MESH_LISTENER, loopback, paths),
                _listener(GATEWAY_LISTENER, loopback, paths),
                _mirror_listener(),
            ],
        },
        "layered_runtime": {"layers": [{"name": "istio", "static_layer": ISTIOS_RUNTIME}]},
    }


def _file(path: Path) -> Manifest:
    return {"path_config_source": {"path": str(path)}, "resource_api_version": "V3"}


def _listener(name: str, address: Manifest, paths: ConfigPaths) -> Manifest:
    routes = {"route_config_name": name, "config_source": _file(paths.routes(name))}
    seen_by_caller = [_log(Reporter.SOURCE)]
    return _http_listener(name, address, {"rds": routes, "access_log": seen_by_caller})


def _mirror_listener() -> Manifest:
    route = {"match": {"prefix": "/"}, "route": {"cluster_header": MIRROR_HEADER, "timeout": "0s"}}
    hosts = [{"name": "mirrored", "domains": ["*"], "routes": [route]}]
    address = {"pipe": {"path": MIRROR_SOCKET}}
    return _http_listener(MIRROR_CLUSTER, address, {"route_config": {"virtual_hosts": hosts}})


def _mirror_cluster() -> Manifest:
    endpoint = {"endpoint": {"address": {"pipe": {"path": MIRROR_SOCKET}}}}
    return {
        "name": MIRROR_CLUSTER,
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": {
            "cluster_name": MIRROR_CLUSTER,
            "endpoints": [{"lb_endpoints": [endpoint]}],
        },
    }


def _http_listener(name: str, address: Manifest, config: Manifest) -> Manifest:
    manager = {
        "@type": f"{_TYPES}.extensions.filters.network.http_connection_manager.v3"
        ".HttpConnectionManager",
        "stat_prefix": name,
        "stream_idle_timeout": "0s",
        "http_filters": [
            {
                "name": FAULT_FILTER,
                "typed_config": {"@type": f"{_TYPES}.extensions.filters.http.fault.v3.HTTPFault"},
            },
            {
                "name": "envoy.filters.http.router",
                "typed_config": {
                    "@type": f"{_TYPES}.extensions.filters.http.router.v3.Router",
                    "upstream_log": [_log(Reporter.DESTINATION)],
                },
            },
        ],
        **config,
    }
    connection_manager = {
        "name": "envoy.filters.network.http_connection_manager",
        "typed_config": manager,
    }
    return {
        "name": name,
        "address": address,
        "filter_chains": [{"filters": [connection_manager]}],
    }


def _log(reporter: Reporter) -> dict[str, Any]:
    return {
        "name": "envoy.access_loggers.stdout",
        "typed_config": {
            "@type": f"{_TYPES}.extensions.access_loggers.stream.v3.StdoutAccessLog",
            "log_format": {"json_format": {"view": reporter, **LOG_FIELDS}},
        },
    }
