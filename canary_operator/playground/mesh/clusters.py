"""Envoy clusters and their endpoints, one of each per Service port."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from canary_operator.adapters.cluster.feed import Manifest
from canary_operator.playground.mesh.catalog import (
    Catalog,
    Endpoint,
    PortProtocol,
    Service,
    ServicePort,
)
from canary_operator.playground.mesh.routes import cluster_name
from canary_operator.playground.mesh.telemetry import endpoint_metadata

CLUSTER_TYPE = "type.googleapis.com/envoy.config.cluster.v3.Cluster"
ENDPOINTS_TYPE = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment"
HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
UNLIMITED = 4_294_967_295
"""Istio's circuit breaker default; Envoy's own would refuse a fourth retry at a time."""


@dataclass(frozen=True)
class RenderedCluster:
    """A cluster, and its endpoints, which change without touching the cluster."""

    cluster: Manifest
    endpoints: Manifest


def clusters_of(catalog: Catalog, directory: Path) -> dict[str, RenderedCluster]:
    """Return the clusters by name; their endpoints will be read from files in `directory`."""
    return {
        name: RenderedCluster(
            _cluster(name, service, port, endpoints_file(directory, name)),
            _endpoints(name, port.endpoints),
        )
        for service in catalog.services.values()
        for port in service.ports
        if port.protocol is not PortProtocol.OTHER
        for name in (cluster_name(service.identity.host, port.number),)
    }


def endpoints_file(directory: Path, cluster: str) -> Path:
    """Return the file of a cluster's endpoints; a file watch sees exactly one cluster."""
    return directory / f"{cluster.replace('|', '_')}.json"


def _cluster(name: str, service: Service, port: ServicePort, endpoints: Path) -> Manifest:
    identity = service.identity
    called = {"host": identity.host, "name": identity.name, "namespace": identity.namespace}
    return {
        "@type": CLUSTER_TYPE,
        "name": name,
        "type": "EDS",
        "eds_cluster_config": {
            "eds_config": {
                "path_config_source": {"path": str(endpoints)},
                "resource_api_version": "V3",
            }
        },
        "connect_timeout": "10s",
        "lb_policy": "LEAST_REQUEST",
        "circuit_breakers": {
            "thresholds": [
                {
                    "max_connections": UNLIMITED,
                    "max_pending_requests": UNLIMITED,
                    "max_requests": UNLIMITED,
                    "max_retries": UNLIMITED,
                }
            ]
        },
        "metadata": {"filter_metadata": {"istio": {"services": [called]}}},
        "typed_extension_protocol_options": {HTTP_OPTIONS: _protocol_options(port.protocol)},
    }


def _protocol_options(protocol: PortProtocol) -> Manifest:
    http2: Manifest = {"http2_protocol_options": {}}
    choice: dict[str, Any]
    match protocol:
        case PortProtocol.HTTP2:
            choice = {"explicit_http_config": http2}
        case PortProtocol.AUTO:
            choice = {"use_downstream_protocol_config": {"http_protocol_options": {}, **http2}}
        case _:
            choice = {"explicit_http_config": {"http_protocol_options": {}}}
    return {"@type": f"type.googleapis.com/{HTTP_OPTIONS}", **choice}


def _endpoints(name: str, endpoints: tuple[Endpoint, ...]) -> Manifest:
    return {
        "@type": ENDPOINTS_TYPE,
        "cluster_name": name,
        "endpoints": [{"lb_endpoints": [_endpoint(endpoint) for endpoint in endpoints]}],
    }


def _endpoint(endpoint: Endpoint) -> Manifest:
    address = {"address": endpoint.address, "port_value": endpoint.port}
    return {
        "endpoint": {"address": {"socket_address": address}},
        "metadata": endpoint_metadata(endpoint.workload),
    }
