"""Istio's request metrics as counters and histograms, and their text form for Prometheus.

Names, labels and buckets are those of Istio's standard metrics
(https://istio.io/latest/docs/reference/config/metrics/): 25 labels on each series, and Envoy's
default histogram bounds. What Prometheus would add in a cluster when it finds the proxies of the
pods, `instance`, `pod` and `namespace`, is added here, because one exporter speaks for all of
them; a scrape needs `honor_labels: true`.
"""

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from enum import StrEnum

BOUNDS_MILLISECONDS: tuple[float, ...] = (
    0.5,
    1,
    5,
    10,
    25,
    50,
    100,
    250,
    500,
    1000,
    2500,
    5000,
    10000,
    30000,
    60000,
    300000,
    600000,
    1800000,
    3600000,
)
UNKNOWN = "unknown"
PROXY_METRICS_PORT = 15020
"""Where Istio's agent serves the merged metrics of a pod; it shows in the `instance` label."""


class Reporter(StrEnum):
    """Whose view a series is."""

    SOURCE = "source"
    DESTINATION = "destination"


class RequestProtocol(StrEnum):
    """Istio tells gRPC from all other HTTP."""

    HTTP = "http"
    GRPC = "grpc"


@dataclass(frozen=True)
class Workload:
    """A pod and what it belongs to, as Istio's proxies know each other."""

    name: str
    namespace: str
    pod: str
    address: str
    app: str = UNKNOWN
    version: str = UNKNOWN
    canonical_service: str = UNKNOWN
    canonical_revision: str = "latest"

    def any_pod(self) -> "Workload":
        """Return the workload alone: all that a caller's telemetry tells of the other side."""
        return replace(self, pod="", address="")


@dataclass(frozen=True)
class ServiceIdentity:
    """The Service a request was meant for."""

    host: str
    """The name with the cluster's domain, `web.demo.svc.cluster.local`."""
    name: str
    namespace: str


@dataclass(frozen=True)
class Request:
    """Everything that tells two series apart, and nothing else: Prometheus drops a twin."""

    reporter: Reporter
    source: Workload
    destination: Workload | None
    """`None` when no endpoint was chosen; at the source without its pod."""
    service: ServiceIdentity | None
    """`None` when no route matched."""
    code: int
    """HTTP status; 0 without any response."""
    flags: str = "-"
    """Envoy's response flags."""
    protocol: RequestProtocol = RequestProtocol.HTTP
    grpc_status: str = ""


@dataclass
class _Series:
    labels: str
    """Rendered once: a scrape repeats them in every line."""
    count: float = 0.0
    total_milliseconds: float = 0.0
    buckets: list[float] = field(default_factory=lambda: [0.0] * (len(BOUNDS_MILLISECONDS) + 1))


class RequestMetrics:
    """`istio_requests_total` and `istio_request_duration_milliseconds` of one run."""

    def __init__(self) -> None:
        self._series: dict[Request, _Series] = {}

    def add(self, request: Request, milliseconds: float = 0.0, amount: float = 1.0) -> None:
        """Count `amount` requests that took `milliseconds` each."""
        series = self._series.get(request)
        if series is None:
            series = self._series[request] = _Series(label_text(request))
        series.count += amount
        series.total_milliseconds += milliseconds * amount
        series.buckets[bisect_left(BOUNDS_MILLISECONDS, milliseconds)] += amount

    def counts(self) -> dict[Request, float]:
        """Return how many requests of each kind there were."""
        return {request: series.count for request, series in self._series.items()}

    def reset(self) -> None:
        """Forget everything, as a restarted proxy does."""
        self._series.clear()

    def render(self) -> str:
        """Return the text that Prometheus scrapes."""
        return "\n".join((*self._counter_lines(), *self._histogram_lines(), ""))

    def _counter_lines(self) -> Iterator[str]:
        yield "# TYPE istio_requests_total counter"
        for series in self._series.values():
            yield f"istio_requests_total{{{series.labels}}} {series.count:.15g}"

    def _histogram_lines(self) -> Iterator[str]:
        name = "istio_request_duration_milliseconds"
        yield f"# TYPE {name} histogram"
        for series in self._series.values():
            below = 0.0
            for bound, amount in zip(_BOUND_TEXTS, series.buckets, strict=True):
                below += amount
                yield f'{name}_bucket{{{series.labels},le="{bound}"}} {below:.15g}'
            yield f"{name}_sum{{{series.labels}}} {series.total_milliseconds:.15g}"
            yield f"{name}_count{{{series.labels}}} {series.count:.15g}"


_BOUND_TEXTS = (*(f"{bound:.10g}" for bound in BOUNDS_MILLISECONDS), "+Inf")


def label_text(request: Request) -> str:
    """Return the labels of a series in Prometheus' text form."""
    return ",".join(f'{name}="{_escaped(value)}"' for name, value in labels(request).items())


def labels(request: Request) -> dict[str, str]:
    """Return all labels of a series; an empty value is the same as no label."""
    by_source = request.reporter is Reporter.SOURCE
    return {
        "reporter": request.reporter,
        **_source_labels(request.source),
        **_destination_labels(request.destination),
        **_service_labels(request),
        "request_protocol": request.protocol,
        "response_code": str(request.code),
        "grpc_response_status": request.grpc_status,
        "response_flags": request.flags,
        # Istio: a caller cannot know the policy; a pod sees plain text, as the playground has none.
        "connection_security_policy": UNKNOWN if by_source else "none",
        **_target_labels(request.source if by_source else request.destination),
    }


def _source_labels(source: Workload) -> dict[str, str]:
    return {
        "source_workload": source.name,
        "source_workload_namespace": source.namespace,
        "source_principal": UNKNOWN,
        "source_app": source.app,
        "source_version": source.version,
        "source_cluster": "Kubernetes",
        "source_canonical_service": source.canonical_service,
        "source_canonical_revision": source.canonical_revision,
    }


def _destination_labels(destination: Workload | None) -> dict[str, str]:
    known = destination or _NOBODY
    return {
        "destination_workload": known.name,
        "destination_workload_namespace": known.namespace,
        "destination_principal": UNKNOWN,
        "destination_app": known.app,
        "destination_version": known.version,
        "destination_cluster": "Kubernetes" if destination else UNKNOWN,
        "destination_canonical_service": known.canonical_service,
        "destination_canonical_revision": known.canonical_revision,
    }


def _service_labels(request: Request) -> dict[str, str]:
    """Name the Service.

    Istio takes its namespace from the pod that was chosen, so it is unknown where none was.
    """
    if request.service is None:
        return dict.fromkeys(
            (
                "destination_service",
                "destination_service_name",
                "destination_service_namespace",
            ),
            UNKNOWN,
        )
    return {
        "destination_service": request.service.host,
        "destination_service_name": request.service.name,
        "destination_service_namespace": (
            request.destination.namespace if request.destination else UNKNOWN
        ),
    }


def _target_labels(reporting: Workload | None) -> dict[str, str]:
    if reporting is None:
        return {}
    return {
        "instance": f"{reporting.address}:{PROXY_METRICS_PORT}",
        "pod": reporting.pod,
        "namespace": reporting.namespace,
    }


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


_NOBODY = Workload(name=UNKNOWN, namespace=UNKNOWN, pod="", address="")
