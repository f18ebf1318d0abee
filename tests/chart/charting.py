"""The chart under many values, rendered once for all tests."""

from collections.abc import Iterator, Mapping
from functools import cache
from itertools import combinations
from typing import Any

import yaml

from deploy.rendering import NOTES, render

Document = dict[str, Any]
Values = Mapping[str, Any]

PEER = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}
PROBE = {"periodSeconds": 3, "timeoutSeconds": 2, "failureThreshold": 4}
MONITOR = {
    "enabled": True,
    "labels": {"release": "prometheus"},
    "interval": "30s",
    "scrapeTimeout": "10s",
    "relabelings": [{"action": "labeldrop", "regex": "pod"}],
    "metricRelabelings": [{"action": "drop", "sourceLabels": ["__name__"], "regex": "python_.*"}],
}

FEATURES: Mapping[str, Values] = {
    "some namespaces": {"watchNamespaces": ["shop", "blog"]},
    "token and CA from Secrets": {
        "prometheus": {
            "bearerTokenSecret": {"name": "prometheus", "key": "jwt"},
            "caSecret": {"name": "prometheus", "key": "ca.pem"},
        }
    },
    "CA from a ConfigMap": {"prometheus": {"caConfigMap": {"name": "ca", "key": "bundle.pem"}}},
    "another Prometheus": {
        "prometheus": {
            "address": "https://mimir.example.com/prometheus",
            "timeout": "1m30s",
            "scrapeInterval": "1m",
            "headers": {"X-Scope-OrgID": "team: one", "X-Tenant": '"quoted"'},
        }
    },
    "hosts and queries": {"allowedHosts": ["shop/*.example.com"], "customQueries": ["shop"]},
    "no custom queries": {"customQueries": "none", "clusterDomain": "k8s.example.com"},
    "no admission policy": {"admissionPolicy": {"enabled": False}},
    "a policy that only warns": {"admissionPolicy": {"validationActions": ["Warn", "Audit"]}},
    "no roles for people": {"userRoles": {"create": False}},
    "roles that are not aggregated": {
        "userRoles": {"aggregateToView": False, "aggregateToEdit": False}
    },
    "one replica": {"replicas": 1},
    "no pod for a while": {"replicas": 0},
    "no leader election": {"replicas": 1, "leaderElection": {"enabled": False}},
    "logs for people": {"log": {"level": "debug", "format": "text"}, "maxConcurrentTicks": 1000},
    "image by digest": {"image": {"repository": "r.io:5000/o", "digest": "sha256:" + "0a" * 32}},
    "image by tag": {
        "image": {"repository": "r.io:5000/o", "tag": "1.2.3", "pullPolicy": "Always"},
        "imagePullSecrets": [{"name": "registry"}],
    },
    "other resources": {"resources": {"requests": {"cpu": 1}, "limits": {"memory": None}}},
    "other probes": {"livenessProbe": PROBE, "readinessProbe": PROBE},
    "no values for probes and resources": {
        "livenessProbe": None,
        "readinessProbe": None,
        "resources": None,
    },
    "a user that the cluster chooses": {
        "podSecurityContext": {"runAsUser": None, "runAsGroup": None}
    },
    "a user of one's own": {"podSecurityContext": {"runAsUser": 1000650000, "runAsGroup": 0}},
    "no values for users": {"podSecurityContext": None},
    "a budget in percent": {"podDisruptionBudget": {"maxUnavailable": "50%"}},
    "no budget": {"podDisruptionBudget": {"enabled": False}},
    "where pods run": {
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": "kubernetes.io/hostname",
                "whenUnsatisfiable": "DoNotSchedule",
            }
        ],
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "tolerations": [{"key": "dedicated", "operator": "Exists"}],
        "affinity": {"nodeAffinity": {}},
        "priorityClassName": "system-cluster-critical",
        "terminationGracePeriodSeconds": 60,
    },
    "other names": {"nameOverride": "releases", "fullnameOverride": "releases"},
    "labels and annotations": {
        "commonLabels": {"team": "platform"},
        "podLabels": {"sidecar.istio.io/inject": "false"},
        "podAnnotations": {"prometheus.io/scrape": "true"},
        "deploymentAnnotations": {"reloader": "on"},
    },
    "additions": {
        "extraArgs": ["--log-level=debug"],
        "extraEnv": [
            {"name": "HTTPS_PROXY", "value": "http://proxy:3128"},
            {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
        ],
        "extraVolumes": [{"name": "scratch", "emptyDir": {}}],
        "extraVolumeMounts": [{"name": "scratch", "mountPath": "/tmp"}],
    },
    "an account of one's own": {"serviceAccount": {"create": False, "name": "releaser"}},
    "an account with annotations": {
        "serviceAccount": {"name": "releaser", "annotations": {"example.com/role": "a"}}
    },
    "no CRD": {"crds": {"enabled": False}},
    "a CRD that goes": {
        "crds": {"enabled": True, "keep": False, "annotations": {"example.com/owner": "us"}}
    },
    "no Service for metrics": {"metrics": {"service": {"enabled": False}, "port": 9999}},
    "ServiceMonitor": {
        "metrics": {"serviceMonitor": MONITOR, "service": {"annotations": {"a": "b"}}}
    },
    "PodMonitor": {"metrics": {"podMonitor": MONITOR}},
    "alerts": {"metrics": {"prometheusRule": {"enabled": True, "labels": {"role": "alerts"}}}},
    "dashboard": {
        "dashboard": {
            "enabled": True,
            "labels": {"dashboards": "here"},
            "annotations": {"folder": "Releases"},
        }
    },
    "NetworkPolicy": {"networkPolicy": {"enabled": True}},
    "a narrow NetworkPolicy": {
        "networkPolicy": {
            "enabled": True,
            "metricsFrom": [PEER],
            "apiServerCIDRs": ["10.0.0.1/32", "fd00::1/128"],
            "apiServerPorts": [443],
            "dnsTo": [PEER],
            "prometheusTo": [PEER],
            "prometheusPorts": [9090, 9091],
            "extraEgress": [{"to": [PEER], "ports": [{"port": 3128, "protocol": "TCP"}]}],
        }
    },
    "part of another chart": {"enabled": True, "global": {"imageRegistry": "r.io"}},
}
"""Each value of the chart, once at least, away from its default."""

CONTRADICTIONS = (
    {"token and CA from Secrets", "CA from a ConfigMap"},
    {"ServiceMonitor", "PodMonitor"},
    {"ServiceMonitor", "no Service for metrics"},
)
"""Pairs that the chart refuses."""


NO_CRD = {"crds": {"enabled": False}}


def merged(first: Values, second: Values) -> dict[str, Any]:
    """Return both trees as one; the second wins."""
    both = {**first, **second}
    for key in first.keys() & second.keys():
        if isinstance(first[key], dict) and isinstance(second[key], dict):
            both[key] = merged(first[key], second[key])
    return both


def pairs() -> Iterator[dict[str, Any]]:
    """Yield the values of every two features together that do not contradict each other.

    Without the CRD, unless one of them is about it: it takes most of the time.
    """
    for names in combinations(FEATURES, 2):
        if set(names) not in CONTRADICTIONS:
            first, second = (FEATURES[name] for name in names)
            yield merged(NO_CRD, merged(first, second))


def documents(values: Values | None = None, **release: str) -> list[Document]:
    """Return everything that the chart renders, without the notes."""
    texts = render(values, **release)
    texts.pop(NOTES)
    return [document for text in texts.values() for document in _loaded(text)]


@cache
def _loaded(text: str) -> tuple[Document, ...]:
    """Return the documents in a text; most texts are the same under most values."""
    return tuple(filter(None, yaml.load_all(text, Loader=yaml.CSafeLoader)))


def one(kind: str, values: Values | None = None, name: str = "") -> Document:
    """Return the only document of a kind, or the one of that name."""
    found = [
        document
        for document in documents(values)
        if document["kind"] == kind and (not name or document["metadata"]["name"] == name)
    ]
    assert len(found) == 1, [document["metadata"]["name"] for document in found]
    return found[0]


def pod_specs(rendered: list[Document]) -> Iterator[Document]:
    """Yield the spec of every pod, the operator's and that of `helm test`."""
    for document in rendered:
        if document["kind"] == "Pod":
            yield document["spec"]
        elif document["kind"] == "Deployment":
            yield document["spec"]["template"]["spec"]


def operator(values: Values | None = None) -> Document:
    """Return the operator's container."""
    (container,) = one("Deployment", values)["spec"]["template"]["spec"]["containers"]
    return dict(container)
