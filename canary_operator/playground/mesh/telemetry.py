r"""From Envoy's access log to Istio's telemetry.

In Istio every pod has an Envoy of its own. A request passes two of them, and each counts it: the
caller's proxy as `reporter="source"`, the pod's proxy as `reporter="destination"`. In the
playground one Envoy plays all proxies and writes two kinds of log lines:

- one line per request when it is finished (the listener's access log): the caller's view, with
  the final response after all retries, whether or not a pod was ever reached;
- one line per attempt (the router's upstream log): the pod's view. An attempt that found nobody
  listening never arrived, so it is dropped here, as the pod's proxy would not have seen it.

What Istio's proxies (`istio_stats` filter) do, and what is the same here:

- `destination_service` is the host of the chosen cluster: known even when no endpoint was left
  (`UH`); without any route (`NR`) it is the Host header, here `unknown`.
- `destination_workload` at the source comes from the chosen endpoint: known for a refused
  connection (`UF`), `unknown` when none was chosen; then the service's namespace is unknown, too.
- `response_code` is 0 with flag `DC` when the caller hung up before a response.
- `response_flags` is `-` without a flag; several are joined: `URX,UF`.
- `grpc_response_status` is empty unless the request's content type is gRPC.
- Durations are whole milliseconds from first to last byte.

Where the playground differs:

- A pod whose own proxy accepts and whose application refuses is, in Istio, a 503 with `UF` in
  both views. Here it is what a pod without a working proxy is: a failure that callers alone see.
- The pod's view of a broken attempt is derived: an application that closed the connection is 503
  with Envoy's flag (`UC`, `UPE`, …), an attempt that the caller's side gave up is 0 with `DC`.
- A pod's proxy reports the Service of its inbound port, one of them if several Services select
  the pod; here it is the Service that was called. Use `destination_workload` in that view.
- There is no mutual TLS: `connection_security_policy` is `none` at the pod, principals `unknown`.
- `istio_request_bytes`, `istio_response_bytes` and TCP metrics are not measured.
"""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from canary_operator.playground.mesh.series import (
    Reporter,
    Request,
    RequestProtocol,
    ServiceIdentity,
    Workload,
)

METADATA_NAMESPACE = "playground"
"""Endpoints carry their workload under this key, so each log line names the pod it went to."""

LOG_FIELDS: Mapping[str, str] = {
    "code": "%RESPONSE_CODE%",
    "flags": "%RESPONSE_FLAGS%",
    "cluster": "%UPSTREAM_CLUSTER_RAW%",
    "endpoint": f"%METADATA(UPSTREAM_HOST:{METADATA_NAMESPACE})%",
    "milliseconds": "%DURATION%",
    "grpc_status": "%GRPC_STATUS_NUMBER%",
    "content_type": "%REQ(CONTENT-TYPE)%",
}
NEVER_ARRIVED = frozenset({"UF", "UH", "UO", "NC", "NR"})
BROKEN_BY_THE_APPLICATION = frozenset({"UC", "UPE", "UR"})
BAD_GATEWAY_CODE = 503


def endpoint_metadata(workload: Workload) -> dict[str, Any]:
    """Return the endpoint metadata from which `observed` reads the workload back."""
    return {"filter_metadata": {METADATA_NAMESPACE: asdict(workload)}}


def observed(line: Mapping[str, Any], source: Workload) -> tuple[Request, float] | None:
    """Return what a log line says, and its milliseconds; `None` if it is not to be counted.

    Args:
        line: One line of Envoy's log, decoded: `LOG_FIELDS` and `view`, the reporter.
        source: The workload that is calling.
    """
    if line["view"] == Reporter.DESTINATION:
        return _seen_by_pod(line, source)
    return _request(line, source, Reporter.SOURCE), float(line.get("milliseconds") or 0)


def _seen_by_pod(line: Mapping[str, Any], source: Workload) -> tuple[Request, float] | None:
    flags = _flags(line)
    if not line.get("endpoint") or flags & NEVER_ARRIVED:
        return None
    broken = flags & BROKEN_BY_THE_APPLICATION
    if line["code"]:
        verdict = {"code": line["code"], "flags": ",".join(sorted(broken)) or "-"}
    elif broken:
        verdict = {"code": BAD_GATEWAY_CODE, "flags": ",".join(sorted(broken))}
    else:
        verdict = {"code": 0, "flags": "DC"}
    request = _request({**line, **verdict}, source, Reporter.DESTINATION)
    return request, float(line.get("milliseconds") or 0)


def _request(line: Mapping[str, Any], source: Workload, reporter: Reporter) -> Request:
    is_grpc = _is_grpc(line.get("content_type"))
    status = line.get("grpc_status")
    return Request(
        reporter=reporter,
        source=source,
        destination=_destination(line, reporter),
        service=service_of(line.get("cluster")),
        code=int(line.get("code") or 0),
        flags=line.get("flags") or "-",
        protocol=RequestProtocol.GRPC if is_grpc else RequestProtocol.HTTP,
        grpc_status=str(status) if is_grpc and status is not None else "",
    )


def _destination(line: Mapping[str, Any], reporter: Reporter) -> Workload | None:
    if not line.get("endpoint"):
        return None
    workload = Workload(**line["endpoint"])
    return workload.any_pod() if reporter is Reporter.SOURCE else workload


def service_of(cluster: str | None) -> ServiceIdentity | None:
    """Return the Service behind a cluster's name, `outbound|80||web.demo.svc.cluster.local`."""
    if not cluster or not cluster.startswith("outbound|"):
        return None
    host = cluster.rpartition("|")[2]
    name, namespace, *_ = host.split(".")
    return ServiceIdentity(host, name, namespace)


def _flags(line: Mapping[str, Any]) -> set[str]:
    return set((line.get("flags") or "-").split(",")) - {"-"}


def _is_grpc(content_type: str | None) -> bool:
    """Tell gRPC as Envoy does: `application/grpc`, alone or with a `+` suffix or parameters."""
    if not content_type or not content_type.startswith("application/grpc"):
        return False
    return content_type[len("application/grpc") :][:1] in {"", "+", ";"}
