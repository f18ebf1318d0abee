"""Specs, good and bad, that the models and the API server have to agree on."""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

SMALLEST: Mapping[str, Any] = {
    "template": {
        "metadata": {"labels": {"app": "web"}},
        "spec": {"containers": [{"name": "app", "image": "web:v1"}]},
    },
    "service": {"port": 80},
}

FULL: Mapping[str, Any] = {
    "replicas": 4,
    "paused": False,
    "template": {
        "metadata": {"labels": {"app": "web"}, "annotations": {"team": "shop"}},
        "spec": {
            "restartPolicy": "Always",
            "initContainers": [{"name": "init", "image": "init:v1"}],
            "containers": [
                {
                    "name": "app",
                    "image": "web:v1",
                    "ports": [{"name": "http", "containerPort": 8080}],
                    "env": [{"name": "EMPTY", "value": None}],
                }
            ],
        },
    },
    "service": {"port": 80, "targetPort": "http", "portName": "http", "ports": []},
    "traffic": {"istio": {"hosts": ["shop.example.com"], "gateways": ["mesh", "demo/public"]}},
    "strategy": {
        "steps": [
            {"weight": 5, "hold": "1m"},
            {"weight": 20, "hold": "1m30s"},
            {"weight": 50, "hold": "2m", "approval": True},
        ],
        "hold": "1m",
        "progressDeadline": "10m",
        "scaleDownDelay": "30s",
    },
    "analysis": {
        "interval": "30s",
        "window": "60s",
        "failureLimit": 2,
        "minRequests": 10,
        "metrics": [
            {"name": "success-rate", "successRate": {"min": 99}},
            {"name": "latency", "latency": {"percentile": 99, "max": "500ms"}},
            {"name": "carts", "query": {"promql": "up{{ namespace }}", "max": 0.01}},
        ],
    },
}

ROUTE: Mapping[str, Any] = {
    "hosts": ["shop.example.com"],
    "gateways": ["mesh", "demo/public"],
    "match": [
        {
            "uri": {"prefix": "/cart"},
            "ignoreUriCase": True,
            "scheme": {"exact": "https"},
            "method": {"regex": "GET|POST"},
            "authority": {"exact": "shop.example.com"},
            "headers": {"cookie": {"regex": r"^(.*?;)?\s*(company=acme)(;.*)?$"}, ":path": {}},
            "withoutHeaders": {"x-test": {"exact": "1"}},
            "queryParams": {"debug": {}},
            "sourceLabels": {"app": "front", "example.com/team": ""},
            "sourceNamespace": "front",
        },
        {"headers": {"x-company": {"prefix": "ac"}}},
    ],
    "timeout": "5s",
    "retries": {"attempts": 3, "perTryTimeout": "500ms", "retryOn": "5xx,connect-failure,429"},
    "headers": {
        "request": {"set": {"x-from": "%REQ(:path)%"}, "add": {"x-a": ""}, "remove": ["x-b"]},
        "response": {"set": {"x-c": "100%%"}, "add": {"x-d": "1"}, "remove": ["server"]},
    },
    "rewrite": {"uri": "/", "authority": "shop.internal:8080"},
    "corsPolicy": {
        "allowOrigins": [{"exact": "https://a.example"}, {"regex": "https://[a-z]+[.]b"}],
        "allowMethods": ["GET", "*"],
        "allowHeaders": ["*", "x-company"],
        "exposeHeaders": ["x-c"],
        "maxAge": "24h",
        "allowCredentials": True,
        "unmatchedPreflights": "IGNORE",
    },
    "trafficPolicy": {
        "loadBalancer": {"simple": "LEAST_REQUEST"},
        "connectionPool": {"http": {"http1MaxPendingRequests": 100}},
        "outlierDetection": {"consecutive5xxErrors": 5, "interval": "10s"},
        "portLevelSettings": [{"port": {"number": 80}, "tls": {"mode": "ISTIO_MUTUAL"}}],
    },
    "labels": {"team": "shop"},
    "annotations": {"example.com/why": "any text, really"},
}
"""Everything that a route may have."""

ABSENT = object()


def edited(base: Mapping[str, Any], edits: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of `base` with values set at paths such as `strategy.steps.1.weight`."""
    spec: dict[str, Any] = deepcopy(dict(base))
    for path, value in edits.items():
        *parents, last = [int(part) if part.isdigit() else part for part in path.split(".")]
        at: Any = spec
        for parent in parents:
            at = at.setdefault(parent, {}) if isinstance(at, dict) else at[parent]
        if value is ABSENT:
            del at[last]
        else:
            at[last] = deepcopy(value)
    return spec


@dataclass(frozen=True)
class Bad:
    """A spec that is wrong."""

    id: str
    spec: Mapping[str, Any]
    problem: str
    """What the models say."""
    served: bool
    """Whether the API server says it in the same words."""

    @property
    def words(self) -> str:
        """What is allowed, without the field, its value, and advice."""
        before, but, after = self.problem.partition(", but ")
        words = after if but else before.partition(" ")[2]
        for advice in ("; did you mean", "; remove"):
            words = words.partition(advice)[0]
        return words.rstrip(".")


def _bad(row: Mapping[str, Any]) -> Bad:
    edits = row.get("set", {}) | dict.fromkeys(row.get("remove", ()), ABSENT)
    base = edited(FULL, {"traffic.istio": ROUTE}) if row.get("route") else FULL
    return Bad(row["id"], edited(base, edits), row["problem"], row.get("served", False))


BAD = tuple(map(_bad, yaml.safe_load((Path(__file__).parent / "bad.yaml").read_text())))

GOOD: Mapping[str, dict[str, Any]] = {
    "the smallest": edited(SMALLEST, {}),
    "everything": edited(FULL, {}),
    "the pods of a Deployment": edited(
        SMALLEST,
        {
            "template": None,
            "workloadRef": {
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "name": "shop.v1",
                "scaleDown": "Never",
            },
        },
    ),
    "null counts as absent": edited(
        FULL,
        {
            "replicas": None,
            "paused": None,
            "strategy.hold": None,
            "strategy.steps.0.hold": None,
            "strategy.stepWeight": None,
            "analysis.window": None,
            "analysis.metrics.0.latency": None,
            "template.metadata": None,
        },
    ),
    "labels of null": edited(FULL, {"template.metadata": {"labels": None, "annotations": None}}),
    "a label of null": edited(FULL, {"template.metadata.labels.gone": None}),
    "anything below the pod's fields": edited(
        FULL,
        {
            "template.metadata.creationTimestamp": None,
            "template.spec.anything": [None, 1, {"x": None}],
            "template.spec.containers.0.anything": {"a": [1.5]},
        },
    ),
    "several ports": edited(
        SMALLEST,
        {
            "service": {
                "ports": [
                    {"name": "http", "port": 80, "targetPort": 8080},
                    {"name": "api", "port": 81, "targetPort": "api", "appProtocol": "grpc"},
                    {"name": "grpc-web-ui", "port": 82},
                ]
            }
        },
    ),
    "the longest names": edited(
        SMALLEST,
        {"template.spec.containers.0.name": "a" * 63, "service.targetPort": "1-x" * 5},
    ),
    "a wildcard below a domain": edited(
        SMALLEST, {"traffic": {"istio": {"hosts": ["*.a.example"]}}}
    ),
    "pods instead of a mesh": edited(
        FULL,
        {
            "traffic": {"replicas": {"rounding": "Up"}},
            "analysis.metrics": [{"name": "a", "query": {"promql": "up", "min": 1}}],
        },
    ),
    "pods instead of a mesh, in few words": edited(
        SMALLEST,
        {
            "traffic": {"replicas": {}},
            "strategy": {"stepWeight": 50, "maxWeight": 99},
            "analysis": {"metrics": [{"name": "a", "query": {"promql": "up", "min": 1}}]},
        },
    ),
    "a VirtualService of one's own": edited(
        SMALLEST,
        {
            "traffic": {
                "istio": {
                    "virtualService": {"name": "shop.v2", "routes": ["pages", "Route 2"]},
                    "trafficPolicy": {"loadBalancer": {"simple": "RANDOM"}},
                    "hosts": [],
                    "labels": {},
                }
            }
        },
    ),
    "the only route of a VirtualService of one's own": edited(
        SMALLEST, {"traffic": {"istio": {"virtualService": {"name": "s"}, "timeout": None}}}
    ),
    "everything of a route": edited(FULL, {"traffic.istio": ROUTE}),
    "a route at its bounds": edited(
        SMALLEST,
        {
            "traffic": {
                "istio": {
                    "gateways": ["a" * 63 + "/" + "b" * 63, "gw.demo.svc.cluster.local"],
                    "match": [{"uri": {"exact": "a" * 1024}, "headers": {"a": None}}] * 10,
                    "timeout": "1ms",
                    "retries": {"attempts": 0},
                    "headers": {"request": {"set": {"Host": "a", "x": None}}},
                    "corsPolicy": {"maxAge": "1s"},
                    "labels": {"gone": None},
                }
            }
        },
    ),
    "empty parts of a route": edited(
        SMALLEST,
        {
            "traffic": {
                "istio": {
                    "match": [],
                    "headers": {"request": {"set": {}}, "response": {}},
                    "corsPolicy": {},
                    "labels": {},
                }
            }
        },
    ),
    "a focused canary": edited(
        SMALLEST,
        {"strategy": {"match": ROUTE["match"], "promotion": "Manual", "steps": [{"weight": 50}]}},
    ),
    "a focused canary beside conditions of the route": edited(
        SMALLEST,
        {
            "strategy": {"match": [{"headers": {"x-a": {}}}], "promotion": "Automatic"},
            "traffic": {"istio": {"match": [{"uri": {"prefix": "/"}, "headers": {"x-b": {}}}]}},
            "service": {
                "ports": [
                    {"name": "web", "port": 80, "appProtocol": "http2"},
                    {"name": "tcp-db", "port": 81},
                ]
            },
        },
    ),
    "connections": edited(
        SMALLEST, {"service": {"port": 80, "portName": "tcp"}, "traffic": {"istio": {}}}
    ),
    "the shorthand": edited(SMALLEST, {"strategy": {"stepWeight": 7, "maxWeight": 100}}),
    "a step as large as the last": edited(SMALLEST, {"strategy": {"stepWeight": 50}}),
    "steps that stay level": edited(
        SMALLEST, {"strategy": {"steps": [{"weight": 10}, {"weight": 10, "approval": True}]}}
    ),
    "20 steps": edited(
        SMALLEST, {"strategy": {"steps": [{"weight": 5 * step} for step in range(1, 21)]}}
    ),
    "durations at their bounds": edited(
        SMALLEST,
        {
            "strategy": {"hold": "0s", "progressDeadline": "1000ms", "scaleDownDelay": "720h"},
            "analysis": {"interval": "4.999s1ms", "window": "0.5s0.5s"},
        },
    ),
    "a percent that was meant as a share": edited(
        SMALLEST, {"analysis.metrics": [{"name": "a", "successRate": {"min": 0.99}}]}
    ),
    "a comparison and nothing else": edited(SMALLEST, {"analysis": {"comparison": {}}}),
    "a comparison without limits": edited(
        SMALLEST,
        {
            "analysis": {
                "comparison": {"errorClumping": "1.5", "guardrail": {"then": "Wait"}},
                "metrics": [
                    {"name": "a", "successRate": {}},
                    {"name": "b", "latency": {"max": "300ms"}, "dryRun": True},
                ],
            }
        },
    ),
    "everything of a comparison": edited(
        FULL,
        {
            "analysis.comparison": {
                "falseRollbackRisk": "0.1%",
                "tolerance": "0%",
                "healthy": {
                    "margin": "100%",
                    "risk": "99.999999%",
                    "minWindows": 2,
                    "advanceEarly": True,
                },
                "minWindows": 1000,
                "errorClumping": "auto",
                "holdAtOdds": 1,
                "guardrail": {"maxBad": "10%", "maxHold": "10m", "then": "Rollback"},
                "onInsufficientData": "Wait",
            }
        },
    ),
    "clumps of a whole size": edited(SMALLEST, {"analysis.comparison.errorClumping": 999}),
    "numbers at their bounds": edited(
        SMALLEST,
        {
            "replicas": 0,
            "analysis.failureLimit": 0,
            "analysis.minRequests": 1,
            "analysis.metrics": [
                {"name": "a", "successRate": {"min": 100}},
                {"name": "b", "latency": {"percentile": 99.9, "max": "1ms"}},
                {"name": "c", "query": {"promql": "up", "min": -1.5, "max": -1.5}},
            ],
        },
    ),
}
