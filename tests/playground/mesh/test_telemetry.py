import shutil
import subprocess
from dataclasses import asdict, replace
from typing import Any

import pytest

from canary_operator.playground.mesh.bundle import VISITOR
from canary_operator.playground.mesh.series import (
    Reporter,
    RequestMetrics,
    RequestProtocol,
    Workload,
    labels,
)
from canary_operator.playground.mesh.telemetry import observed

POD = Workload("web-canary", "demo", "web-canary-1", "127.0.0.9", app="web", version="v2")
ARRIVED = {
    "code": 200,
    "flags": "-",
    "cluster": "outbound|80||web-canary.demo.svc.cluster.local",
    "endpoint": asdict(POD),
    "milliseconds": 12,
    "grpc_status": None,
    "content_type": None,
}


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        pytest.param({}, (200, "-", "web-canary"), id="a response"),
        pytest.param({"code": 500}, (500, "-", "web-canary"), id="the application's error"),
        pytest.param(
            {"code": 503, "flags": "URX,UF"},
            (503, "URX,UF", "web-canary"),
            id="refused, retries used up",
        ),
        pytest.param(
            {"code": 503, "flags": "UH", "endpoint": None}, (503, "UH", "unknown"), id="nobody"
        ),
        pytest.param({"code": 504, "flags": "UT"}, (504, "UT", "web-canary"), id="timeout"),
        pytest.param({"code": 0, "flags": "DC"}, (0, "DC", "web-canary"), id="caller hung up"),
        pytest.param(
            {"code": 404, "flags": "NR", "endpoint": None, "cluster": None},
            (404, "NR", "unknown"),
            id="no route",
        ),
    ],
)
def test_what_the_caller_sees(line: dict[str, Any], expected: tuple[int, str, str]) -> None:
    seen = observed({**ARRIVED, "view": "source", **line}, VISITOR)
    assert seen is not None
    described = labels(seen[0])
    assert (
        int(described["response_code"]),
        described["response_flags"],
        described["destination_workload"],
    ) == expected
    assert described["pod"] == "visitor-0"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        pytest.param({}, (200, "-"), id="a response"),
        pytest.param({"code": 503}, (503, "-"), id="the application's own 503"),
        pytest.param({"code": 0, "flags": "UC"}, (503, "UC"), id="the application hung up"),
        pytest.param({"code": 200, "flags": "UPE"}, (200, "UPE"), id="it broke off midway"),
        pytest.param({"code": 0}, (0, "DC"), id="the caller gave up"),
        pytest.param({"code": 0, "flags": "UF"}, None, id="refused: it never arrived"),
        pytest.param({"code": 0, "endpoint": None}, None, id="no endpoint: it never arrived"),
    ],
)
def test_what_the_pod_sees(line: dict[str, Any], expected: tuple[int, str] | None) -> None:
    seen = observed({**ARRIVED, "view": "destination", **line}, VISITOR)
    assert (None if seen is None else (seen[0].code, seen[0].flags)) == expected


@pytest.mark.parametrize(
    ("content_type", "status", "expected"),
    [
        pytest.param("application/grpc", 14, (RequestProtocol.GRPC, "14"), id="gRPC"),
        pytest.param("application/grpc+proto", 0, (RequestProtocol.GRPC, "0"), id="with format"),
        pytest.param("application/grpc", None, (RequestProtocol.GRPC, ""), id="no status came"),
        pytest.param("application/grpc-web", 0, (RequestProtocol.HTTP, ""), id="gRPC-web"),
        pytest.param("text/html", 2, (RequestProtocol.HTTP, ""), id="plain HTTP"),
    ],
)
def test_grpc(content_type: str, status: int | None, expected: tuple[str, str]) -> None:
    line = {**ARRIVED, "view": "source", "content_type": content_type, "grpc_status": status}
    seen = observed(line, VISITOR)
    assert seen is not None
    assert (seen[0].protocol, seen[0].grpc_status) == expected


def test_all_labels_of_istio_are_there() -> None:
    seen = observed({**ARRIVED, "view": "destination"}, VISITOR)
    assert seen is not None
    assert labels(seen[0]) == {
        "reporter": "destination",
        "source_workload": "visitor",
        "source_workload_namespace": "playground",
        "source_principal": "unknown",
        "source_app": "visitor",
        "source_version": "v1",
        "source_cluster": "Kubernetes",
        "source_canonical_service": "visitor",
        "source_canonical_revision": "v1",
        "destination_workload": "web-canary",
        "destination_workload_namespace": "demo",
        "destination_principal": "unknown",
        "destination_app": "web",
        "destination_version": "v2",
        "destination_cluster": "Kubernetes",
        "destination_canonical_service": "unknown",
        "destination_canonical_revision": "latest",
        "destination_service": "web-canary.demo.svc.cluster.local",
        "destination_service_name": "web-canary",
        "destination_service_namespace": "demo",
        "request_protocol": "http",
        "response_code": "200",
        "grpc_response_status": "",
        "response_flags": "-",
        "connection_security_policy": "none",
        "instance": "127.0.0.9:15020",
        "pod": "web-canary-1",
        "namespace": "demo",
    }


def sample_metrics() -> RequestMetrics:
    metrics = RequestMetrics()
    for view in Reporter:
        seen = observed({**ARRIVED, "view": view}, VISITOR)
        assert seen is not None
        metrics.add(*seen)
        metrics.add(seen[0], milliseconds=5000.0, amount=1_234_567)
    return metrics


def test_buckets_are_cumulative_and_numbers_exact() -> None:
    text = sample_metrics().render()
    buckets = {
        line.split('le="')[1].split('"')[0]: line.rsplit(" ", 1)[1]
        for line in text.splitlines()
        if "_bucket{" in line and 'reporter="source"' in line
    }
    assert (buckets["10"], buckets["25"], buckets["2500"]) == ("0", "1", "1")
    assert (buckets["5000"], buckets["3600000"], buckets["+Inf"]) == ("1234568",) * 3
    assert len(buckets) == 20


def test_a_caller_has_one_series_for_all_pods_of_a_workload() -> None:
    metrics = RequestMetrics()
    for pod in ("web-canary-1", "web-canary-2"):
        line = {**ARRIVED, "view": "source", "endpoint": asdict(replace(POD, pod=pod))}
        seen = observed(line, VISITOR)
        assert seen is not None
        metrics.add(*seen)
    assert list(metrics.counts().values()) == [2]


def test_label_values_are_escaped() -> None:
    metrics = RequestMetrics()
    seen = observed({**ARRIVED, "view": "source"}, VISITOR)
    assert seen is not None
    odd = Workload('a"b\\c\nd', "demo", "p", "127.0.0.1")
    metrics.add(replace(seen[0], destination=odd))
    assert r'destination_workload="a\"b\\c\nd"' in metrics.render()


def test_promtool_accepts_the_text() -> None:
    if not shutil.which("promtool"):
        pytest.skip("needs promtool: apt-get install prometheus")
    checked = subprocess.run(
        ["promtool", "check", "metrics"],
        input=sample_metrics().render(),
        text=True,
        capture_output=True,
        check=False,
    )
    complaints = [
        line
        for line in checked.stderr.splitlines() + checked.stdout.splitlines()
        # Istio's names have no help text and milliseconds instead of seconds: so do ours.
        if "no help text" not in line and "base unit" not in line
    ]
    assert complaints == []
