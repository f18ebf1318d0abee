"""Lint: one manifest that nothing is said about, and what one change of it brings."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from canary_operator.domain.acceptance import read_spec
from canary_operator.domain.errors import InvalidRolloutError
from canary_operator.domain.situation import Settings
from canary_operator.plugin.offline.documents import Document, read_documents
from canary_operator.plugin.offline.lint import Finding, Operator, Severity, lint
from canary_operator.plugin.offline.lint.objects import OBJECT_RULES, TEMPLATE_RULE
from canary_operator.plugin.offline.lint.run import SPEC_RULES, TOGETHER_RULES
from tests.crd.specs import ABSENT, BAD, FULL, GOOD, Bad, edited

ERROR, WARNING, INFO = Severity
EXAMPLES = Path(__file__).parents[3] / "examples"

FINE: Mapping[str, Any] = {
    "apiVersion": "canary-operator.dev/v1alpha1",
    "kind": "CanaryRollout",
    "metadata": {"name": "web", "namespace": "demo"},
    "spec": {
        "replicas": 4,
        "template": {
            "metadata": {"labels": {"app": "web"}},
            "spec": {
                "containers": [
                    {
                        "name": "app",
                        "image": "shop.example.com:5000/web:1.4.2",
                        "ports": [{"name": "http", "containerPort": 8080}],
                        "readinessProbe": {"httpGet": {"path": "/", "port": "http"}},
                        "env": [{"name": "PORT", "value": "8080"}],
                        "args": ["--verbose"],
                    },
                    {"name": "proxy", "image": "proxy@sha256:0815"},
                ]
            },
        },
        "service": {"port": 80, "targetPort": "http"},
        "strategy": {"steps": [{"weight": 10}, {"weight": 50}], "hold": "2m"},
        "analysis": {
            "interval": "30s",
            "window": "1m",
            "minRequests": 40,
            "metrics": [
                {"name": "success-rate", "successRate": {"min": 97.5}},
                {"name": "latency", "latency": {"percentile": 90, "max": "500ms"}},
                {"name": "carts", "query": {"promql": "x{a='{{ canary }}'}", "max": 1}},
            ],
        },
    },
}
"""Nothing is to be said about it."""

APP = "spec.template.spec.containers.0"
COMPARED = {
    "spec.analysis.comparison": {},
    "spec.analysis.window": ABSENT,
    "spec.analysis.minRequests": 20,
    "spec.analysis.metrics": [{"name": "success-rate", "successRate": {}}],
}

NOBODY = Operator()


def linted(folder: Path, *manifests: Any, operator: Operator = NOBODY) -> tuple[Finding, ...]:
    """Lint objects, or texts, as the documents of one file."""
    texts = [one if isinstance(one, str) else yaml.safe_dump(one) for one in manifests]
    file = folder / "manifest.yaml"
    file.write_text("---\n".join(texts), encoding="utf-8")
    return lint(read_documents([str(file)]), operator, [str(file)]).findings


def document(folder: Path, index: int = 0) -> Document:
    return [*read_documents([str(folder / "manifest.yaml")])][index]


@dataclass(frozen=True)
class Row:
    """One change, and what is said of it."""

    rule: str
    severity: Severity
    place: tuple[str | int, ...]
    words: str
    """Part of the sentence and of its fix."""
    changes: Mapping[str, Any]
    operator: Operator = field(default_factory=Operator)


SPEC: tuple[str | int, ...] = ("spec",)
STRATEGY = (*SPEC, "strategy")
ANALYSIS = (*SPEC, "analysis")
APP_PLACE = (*SPEC, "template", "spec", "containers", 0)

ROWS = {
    # The object
    "a version to come": Row(
        "api-version",
        ERROR,
        ("apiVersion",),
        '"canary-operator.dev/v2", but must be canary-operator.dev/v1alpha1.',
        {"apiVersion": "canary-operator.dev/v2"},
    ),
    "no version": Row("api-version", ERROR, (), "apiVersion is required", {"apiVersion": ABSENT}),
    "a kind, misspelt": Row(
        "kind",
        ERROR,
        ("kind",),
        '"CanaryRolout", but must be CanaryRollout.',
        {"kind": "CanaryRolout"},
    ),
    "a name in capitals": Row(
        "metadata",
        ERROR,
        ("metadata", "name"),
        'metadata.name is "Web", but',
        {"metadata.name": "Web"},
    ),
    "no name": Row(
        "metadata", ERROR, ("metadata",), "metadata.name is required", {"metadata.name": ABSENT}
    ),
    "a generated name that begins with a digit": Row(
        "metadata",
        ERROR,
        ("metadata", "generateName"),
        '"3-xxxxx", but must be a name',
        {"metadata": {"generateName": "3-"}},
    ),
    "a namespace with a dot": Row(
        "metadata",
        ERROR,
        ("metadata", "namespace"),
        'metadata.namespace is "a.b"',
        {"metadata.namespace": "a.b"},
    ),
    "a label that is a number": Row(
        "metadata",
        ERROR,
        ("metadata", "labels", "version"),
        'map of text to text. As text it is "1".',
        {"metadata.labels": {"app": "web", "version": 1}},
    ),
    "a field beside spec, misspelt": Row(
        "unknown-field", ERROR, ("sepc",), "did you mean spec?", {"sepc": {}}
    ),
    "a field of spec beside it": Row(
        "unknown-field", ERROR, ("strategy",), "did you mean spec.strategy?", {"strategy": {}}
    ),
    "a field beside spec that nobody knows": Row(
        "unknown-field", ERROR, ("x-notes",), "known are apiVersion, kind", {"x-notes": {}}
    ),
    "an unknown field": Row(
        "unknown-field",
        ERROR,
        (*STRATEGY, "steps", 1, "pause"),
        "unknown field spec.strategy.steps[1].pause; known are",
        {"spec.strategy.steps.1.pause": "1m"},
    ),
    "no service": Row(
        "missing-field",
        ERROR,
        SPEC,
        "spec.service is required. service: {port: 80",
        {"spec.service": ABSENT},
    ),
    "no spec": Row("missing-field", ERROR, (), "spec is required.", {"spec": ABSENT}),
    "a piece of an object": Row(
        "missing-field",
        ERROR,
        SPEC,
        "spec.service is required. If this is a piece",
        {"spec": {"replicas": 2}},
    ),
    "weights that fall": Row(
        "invalid-value",
        ERROR,
        (*STRATEGY, "steps", 1, "weight"),
        "spec.strategy.steps[1].weight is 3, but weights of steps must never decrease.",
        {"spec.strategy.steps.1.weight": 3},
    ),
    "a label of the pods that is true": Row(
        "invalid-value",
        ERROR,
        (*SPEC, "template", "metadata", "labels", "on"),
        "spec.template.metadata.labels must be",
        {"spec.template.metadata.labels.on": True},
    ),
    "code of Helm in quotes": Row(
        "helm-template",
        ERROR,
        (*SPEC, "replicas"),
        "spec.replicas has code of a Helm template",
        {f"{APP}.image": "web:{{ .Values.tag }}", "spec.replicas": "{{ .Values.replicas }}"},
    ),
    # What only the operator refuses
    "a variable that nobody knows": Row(
        "query-variable",
        ERROR,
        (*ANALYSIS, "metrics", 2, "query", "promql"),
        "unknown variable {{ canry }}; known are",
        {"spec.analysis.metrics.2.query.promql": "x{a='{{ canry }}', b='canary'}"},
    ),
    "a port that no container has": Row(
        "named-port",
        ERROR,
        (*SPEC, "service", "targetPort"),
        "'htpp' of port 80 is the name of no container port",
        {"spec.service.targetPort": "htpp"},
    ),
    "a step that pods cannot give": Row(
        "share-of-pods",
        ERROR,
        (*SPEC, "strategy"),
        "stable pods; with 4 the smallest share is 20 %.",
        {
            "spec.replicas": 4,
            "spec.traffic": {"replicas": {}},
            "spec.analysis.metrics": [
                {"name": "a", "query": {"promql": "up{a='{{ canary }}'}", "max": 1}}
            ],
        },
    ),
    "one of several ports that no container has": Row(
        "named-port",
        ERROR,
        (*SPEC, "service", "ports", 1, "targetPort"),
        "'grpc' of port 81",
        {
            "spec.service": {
                "ports": [
                    {"name": "http", "port": 80, "targetPort": "http"},
                    {"name": "grpc", "port": 81, "targetPort": "grpc"},
                ]
            }
        },
    ),
    "a host that is not on the list": Row(
        "host-not-allowed",
        ERROR,
        (*SPEC, "traffic", "istio", "hosts", 1),
        "'b.example' is not allowed in namespace demo. Remove it",
        {"spec.traffic": {"istio": {"hosts": ["a.example", "b.example"]}}},
        Operator(allowed_hosts=("demo/a.example",)),
    ),
    "a host that no list can allow": Row(
        "host-not-allowed",
        ERROR,
        (*SPEC, "traffic", "istio", "hosts", 0),
        "it reaches Services of every namespace. Name the hosts instead.",
        {"spec.traffic": {"istio": {"hosts": ["*.local"]}}},
    ),
    "hosts that some list has to have": Row(
        "host-needs-permission",
        INFO,
        (*SPEC, "traffic", "istio", "hosts", 1),
        "--allowed-host demo/a.example --allowed-host demo/b.example",
        {"spec.traffic": {"istio": {"hosts": ["web.demo", "a.example", "b.example"]}}},
    ),
    "a number in the environment": Row(
        "pod-value",
        ERROR,
        (*APP_PLACE, "env", 0, "value"),
        'env[0].value is 8080, but must be text. Put it in quotes: "8080".',
        {f"{APP}.env.0.value": 8080},
    ),
    "a number among the arguments": Row(
        "pod-value", ERROR, (*APP_PLACE, "args", 1), "args[1] is 3", {f"{APP}.args": ["-n", 3]}
    ),
    "a port in quotes": Row(
        "pod-value",
        ERROR,
        (*APP_PLACE, "ports", 0, "containerPort"),
        'containerPort is "8080", but must be a whole number',
        {f"{APP}.ports.0.containerPort": "8080"},
    ),
    "a container that is none": Row(
        "pod-value",
        ERROR,
        (*SPEC, "template", "spec", "initContainers", 0),
        "initContainers[0] is null, but must be an object.",
        {"spec.template.spec.initContainers": [None]},
    ),
    "arguments that are no list": Row(
        "pod-value",
        ERROR,
        (*APP_PLACE, "args"),
        'args is "-v", but must be a list.',
        {f"{APP}.args": "-v"},
    ),
    "a port that is no object": Row(
        "pod-value",
        ERROR,
        (*APP_PLACE, "ports", 0),
        "ports[0] is 8080, but must be an object. For example",
        {f"{APP}.ports": [8080], "spec.service.targetPort": 8080},
    ),
    # Pods
    "one pod": Row(
        "few-replicas",
        WARNING,
        (*SPEC, "replicas"),
        "spec.replicas is 1: stable has a single pod, and so has the canary at every weight up to "
        "50 %. When that one restarts, the canary's weight falls to 0 % until it is back; when "
        "stable's does, callers get errors. replicas: 2 or more; from 3 on the canary has two pods "
        "at 50 %.",
        {"spec.replicas": 1},
    ),
    "one pod, because nobody said": Row(
        "few-replicas", WARNING, SPEC, "left out, which means 1:", {"spec.replicas": ABSENT}
    ),
    "no pods": Row("few-replicas", WARNING, (*SPEC, "replicas"), "no pods", {"spec.replicas": 0}),
    "no readiness probe": Row(
        "no-readiness-probe",
        WARNING,
        APP_PLACE,
        "Container app has no readinessProbe",
        {f"{APP}.readinessProbe": ABSENT},
    ),
    "no readiness probe, and one container without ports": Row(
        "no-readiness-probe",
        WARNING,
        APP_PLACE,
        "port: 8080",
        {
            "spec.template.spec.containers": [{"name": "app", "image": "web:1"}],
            "spec.service": {"port": 80},
        },
    ),
    "an image without tag": Row(
        "moving-tag",
        WARNING,
        (*APP_PLACE, "image"),
        "Image a.example:5000/web has no tag, which means latest",
        {f"{APP}.image": "a.example:5000/web"},
    ),
    "an image that is the latest": Row(
        "moving-tag",
        WARNING,
        (*APP_PLACE, "image"),
        "such as web:1.4.2",
        {f"{APP}.image": "web:latest"},
    ),
    # Steps
    "a long way to the first step": Row(
        "weight-jump",
        WARNING,
        (*STRATEGY, "steps", 0, "weight"),
        "from 0 % to 60 % at once: 60 points more, after no check at all. A step between, such as "
        "weight: 30.",
        {"spec.strategy.steps": [{"weight": 60}, {"weight": 80}]},
    ),
    "a long way between steps": Row(
        "weight-jump",
        WARNING,
        (*STRATEGY, "steps", 1, "weight"),
        "from 10 % to 70 % at once",
        {"spec.strategy.steps.1.weight": 70},
    ),
    "a long way to the promotion": Row(
        "weight-jump",
        WARNING,
        (*STRATEGY, "steps", 1, "weight"),
        "After 20 % the promotion gives the new version the other 80 % at once",
        {"spec.strategy.steps.1.weight": 20},
    ),
    "a long way to the promotion, in short": Row(
        "weight-jump",
        WARNING,
        (*STRATEGY, "maxWeight"),
        "After 30 % the promotion",
        {"spec.strategy.steps": ABSENT, "spec.strategy.maxWeight": 30},
    ),
    "a person decides at the end": Row(
        "approval-at-the-end",
        INFO,
        (*STRATEGY, "steps", 1, "approval"),
        "kubectl canary approve web",
        {"spec.strategy.steps.1.approval": True},
    ),
    "a pause": Row("paused", INFO, (*SPEC, "paused"), "no weight is raised", {"spec.paused": True}),
    "a request that every apply repeats": Row(
        "request-in-manifest",
        WARNING,
        ("metadata", "annotations", "canary-operator.dev/request"),
        "every apply asks for it again. Take it out, and ask with `kubectl canary promote web`.",
        {"metadata.annotations": {"canary-operator.dev/request": "promote/97f214162a"}},
    ),
    # Time
    "a hold that is shorter than a check": Row(
        "short-hold",
        WARNING,
        (*STRATEGY, "steps", 1, "hold"),
        "A hold of 30s is over too early: its first check looks back on 1m, so the step of 50 % "
        "lasts 1m to 1m7.5s, or longer. hold: 1m or more, or a shorter window.",
        {"spec.strategy.steps.1.hold": "30s"},
    ),
    "a hold of all steps that is shorter than a check": Row(
        "short-hold",
        WARNING,
        (*STRATEGY, "hold"),
        "the step of 10 % lasts 1m to 1m7.5s",
        {"spec.strategy.hold": "59s"},
    ),
    "a hold that is shorter than a comparison": Row(
        "short-hold",
        WARNING,
        (*STRATEGY, "hold"),
        "the comparison needs 3 intervals of 30s, so the step of 10 % lasts 1m30s to",
        {**COMPARED, "spec.strategy.hold": "1m"},
    ),
    "a hold that is shorter than the limit beside a comparison": Row(
        "short-hold",
        WARNING,
        (*STRATEGY, "steps", 1, "hold"),
        "looks back on 1m, so the step of 50 %",
        {"spec.analysis.comparison": {}, "spec.strategy.steps.1.hold": "40s"},
    ),
    "a hold that proves nothing in time": Row(
        "never-proven",
        WARNING,
        (*STRATEGY, "hold"),
        "The step of 10 % is held for 2m, and a proof of health needs 6 intervals of 30s, 3m in "
        "all: with onInsufficientData: Rollback every rollout ends there.",
        {**COMPARED, "spec.analysis.comparison": {"onInsufficientData": "Rollback"}},
    ),
    "one check for all": Row(
        "one-check-decides",
        WARNING,
        (*STRATEGY, "steps"),
        "1m at 50 % decide about the promotion. Another step, or hold: 1m30s",
        {"spec.strategy": {"steps": [{"weight": 50}]}},
    ),
    "a deadline before the second check": Row(
        "short-deadline",
        WARNING,
        (*STRATEGY, "progressDeadline"),
        "A raise to 10 % has 1m20s, its hold and the progressDeadline of 20s; a second check is "
        "due after 1m30s: a first one that cannot tell ends it.",
        {"spec.strategy.progressDeadline": "20s", "spec.strategy.hold": "1m"},
    ),
    "a deadline before the comparison": Row(
        "short-deadline",
        WARNING,
        (*STRATEGY, "progressDeadline"),
        "the comparison needs 3 intervals of 30s, so no rollout gets further.",
        {**COMPARED, "spec.strategy.progressDeadline": "20s", "spec.strategy.hold": "0s"},
    ),
    "pods that are asked too late": Row(
        "late-readiness",
        WARNING,
        (*APP_PLACE, "readinessProbe", "initialDelaySeconds"),
        "for 600 s, and a rollout whose pods are not available within 10m",
        {f"{APP}.readinessProbe.initialDelaySeconds": 600},
    ),
    "seconds that nobody looks at": Row(
        "gaps-between-checks",
        WARNING,
        (*ANALYSIS, "window"),
        "Checks look back on 20s of every 30s",
        {"spec.analysis.window": "20s"},
    ),
    "pods that stop at once": Row(
        "short-scale-down",
        WARNING,
        (*STRATEGY, "scaleDownDelay"),
        "scaleDownDelay is 0s: canary pods stop",
        {"spec.strategy.scaleDownDelay": "0s"},
    ),
    # Analysis
    "few requests for a success rate": Row(
        "few-requests-decide",
        WARNING,
        (*ANALYSIS, "minRequests"),
        "minRequests is 10, and successRate.min: 97.5 tolerates 2.5 %: where a check sees no more, "
        "one failed request fails it, and 3 such checks roll back. minRequests: 40 bears one; that "
        "takes 7 requests/s to the service at the first weight, 10 %; or ask for "
        "analysis.comparison.",
        {"spec.analysis.minRequests": 10},
    ),
    "few requests for a latency, and nobody said how many": Row(
        "few-requests-decide",
        WARNING,
        ANALYSIS,
        "minRequests is left out, which means 10, and latency.percentile: 99.9 tolerates 0.1 %: "
        "where a check sees no more, one slow request fails it, and one such check rolls back. "
        "minRequests: 1000 bears one",
        {
            "spec.analysis.minRequests": ABSENT,
            "spec.analysis.failureLimit": 0,
            "spec.analysis.metrics.1.latency.percentile": 99.9,
        },
    ),
    "no analysis": Row(
        "few-requests-decide",
        WARNING,
        SPEC,
        "left out, which means 10, and successRate.min: 99 tolerates 1 %",
        {"spec.analysis": ABSENT},
    ),
    "no failure is tolerated": Row(
        "few-requests-decide",
        WARNING,
        (*ANALYSIS, "minRequests"),
        "successRate.min: 100 tolerates none: where a check sees no more, one failed request fails "
        "it, and 3 such checks roll back. successRate.min: 99.9 with minRequests: 1000",
        {"spec.analysis.metrics.0.successRate.min": 100},
    ),
    "a share for a percentage": Row(
        "percent-mistake",
        WARNING,
        (*ANALYSIS, "metrics", 0, "successRate", "min"),
        "successRate.min is 0.99, which means 0.99 %: it is a percentage. If 99 % is meant",
        {"spec.analysis.metrics.0.successRate.min": 0.99},
    ),
    "a query about everybody": Row(
        "query-without-canary",
        WARNING,
        (*ANALYSIS, "metrics", 2, "query", "promql"),
        "The query of carts never says {{ canary }}",
        {"spec.analysis.metrics.2.query.promql": "sum(errors{a='{{ namespace }}'})"},
    ),
    "an interval between two scrapes": Row(
        "interval-below-scrapes",
        WARNING,
        (*ANALYSIS, "interval"),
        "spec.analysis.interval is 30s, but must not be shorter than 1m, the time between two "
        "scrapes of Prometheus; the operator refuses it. If the operator's "
        "--prometheus-scrape-interval is shorter",
        {},
        Operator(scrape_interval=timedelta(minutes=1)),
    ),
    "a protocol that Istio cannot read": Row(
        "unseen-protocol",
        WARNING,
        (*SPEC, "service", "portName"),
        "Port 80 is declared as redis",
        {"spec.service.portName": "redis-main"},
    ),
    "a protocol of the first of several ports": Row(
        "unseen-protocol",
        WARNING,
        (*SPEC, "service", "ports", 0, "name"),
        "Port 80 is declared as tls",
        {"spec.service": {"ports": [{"name": "http", "port": 80, "appProtocol": "tls"}]}},
    ),
    "more requests than many services have": Row(
        "needs-traffic",
        INFO,
        (*ANALYSIS, "minRequests"),
        "At the first weight, 1 %, the service needs 67 requests/s for 40 to the canary in 60 s",
        {"spec.strategy.steps.0.weight": 1},
    ),
}


def about(finding: Finding) -> str:
    return f"{finding.sentence} {finding.fix}"


def test_of_what_is_fine_nothing_is_said(tmp_path: Path) -> None:
    assert linted(tmp_path, FINE) == ()


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS.keys())
def test_one_change_brings_one_finding(tmp_path: Path, row: Row) -> None:
    found = linted(tmp_path, edited(FINE, row.changes), operator=row.operator)
    (finding,) = (one for one in found if one.rule == row.rule and row.words in about(one))
    assert finding.severity is row.severity
    assert (finding.line, finding.column) == document(tmp_path).position(row.place)
    others = {one.rule for one in found} - {row.rule}
    assert others <= {"short-hold", "needs-traffic"}, "one change, one complaint"


SILENT: Mapping[str, Mapping[str, Any]] = {
    "a generated name": {"metadata": {"generateName": "web-", "namespace": "demo"}},
    "a hold of nothing": {"spec.strategy.hold": "0s"},
    "a hold as long as a check": {"spec.strategy.hold": "1m"},
    "a comparison": {**COMPARED, "spec.analysis.minRequests": 10},
    "a hold that nobody wrote": {**COMPARED, "spec.strategy.hold": ABSENT},
    "a proof in time": {
        **COMPARED,
        "spec.analysis.comparison": {"onInsufficientData": "Rollback"},
        "spec.strategy.hold": "3m",
    },
    "one step that is long enough": {"spec.strategy": {"steps": [{"weight": 50, "hold": "90s"}]}},
    "one step, compared": {**COMPARED, "spec.strategy": {"steps": [{"weight": 50}]}},
    "one step, and a person": {
        "spec.strategy": {"steps": [{"weight": 50, "approval": True}, {"weight": 60}]}
    },
    "a person in between": {"spec.strategy.steps.0.approval": True},
    "a jump of half": {"spec.strategy.steps": [{"weight": 50}]},
    "a digest": {f"{APP}.image": "web@sha256:0815"},
    "a short tag": {f"{APP}.image": "web:v1"},
    "a query that says canary in other words": {
        "spec.analysis.metrics.2.query.promql": 'x{workload="web-canary"}'
    },
    "a dry run without the canary": {
        "spec.analysis.metrics.2": {
            "name": "a",
            "query": {"promql": "up", "min": 1},
            "dryRun": True,
        }
    },
    "a dry run of few requests": {
        "spec.analysis.metrics.0": {"name": "a", "successRate": {"min": 100}, "dryRun": True}
    },
    "a redis, judged by queries": {
        "spec.service.portName": "redis",
        "spec.analysis.metrics": [
            {"name": "a", "query": {"promql": "x{a='{{ canary }}'}", "max": 1}}
        ],
    },
    "grpc for browsers": {"spec.service.portName": "grpc-web-api"},
    "web sockets": {
        "spec.service": {
            "ports": [{"name": "x", "port": 80, "appProtocol": "kubernetes.io/ws"}],
        }
    },
    "pods of a Deployment": {
        "spec.template": ABSENT,
        "spec.replicas": ABSENT,
        "spec.workloadRef": {"name": "web"},
    },
    "own hosts": {
        "spec.traffic": {"istio": {"hosts": ["web", "web.demo", "web.demo.svc.cluster.local"]}}
    },
    "a variable of the pod": {f"{APP}.env.0": {"name": "IP", "valueFrom": {"fieldRef": {}}}},
    "an init container": {
        "spec.template.spec.initContainers": [{"name": "init", "image": "init:1", "command": ["a"]}]
    },
    "a status, as kubectl prints it": {"status": {"phase": "Stable"}},
}


@pytest.mark.parametrize("changes", SILENT.values(), ids=SILENT.keys())
def test_some_changes_are_nobodys_business(tmp_path: Path, changes: Mapping[str, Any]) -> None:
    assert linted(tmp_path, edited(FINE, changes)) == ()


def test_hosts_of_an_unknown_namespace_may_be_own_ones(tmp_path: Path) -> None:
    hosts = {"istio": {"hosts": ["web.shop.svc.cluster.local", "web.example.com"]}}
    manifest = edited(FINE, {"metadata.namespace": ABSENT, "spec.traffic": hosts})
    (finding,) = linted(tmp_path, manifest)
    assert "--allowed-host default/web.example.com." in finding.sentence


# Several objects


def object_(kind: str, name: str, **fields: Any) -> dict[str, Any]:
    groups = {
        "Deployment": "apps/v1",
        "VirtualService": "networking.istio.io/v1",
        "HorizontalPodAutoscaler": "autoscaling/v2",
        "ScaledObject": "keda.sh/v1alpha1",
    }
    meta = {"name": name, "namespace": "demo"}
    return edited(
        {"apiVersion": groups.get(kind, "v1"), "kind": kind, "metadata": meta},
        {path.replace("__", "."): value for path, value in fields.items()},
    )


def scaler(of: str = "HorizontalPodAutoscaler", /, **target: str) -> dict[str, Any]:
    return object_(of, "scaler", spec={"scaleTargetRef": target})


ROLLOUT_API = {"apiVersion": "canary-operator.dev/v1alpha1", "kind": "CanaryRollout"}
OWNERS = [{"kind": "CanaryRollout", "name": "web", "uid": "1"}]

TOGETHER = {
    "a Service of the rollout's name": (
        object_("Service", "web"),
        "name-conflict",
        "Service web has a name that CanaryRollout web (",
        ("metadata", "name"),
    ),
    "a Service of a track": (
        object_("Service", "web-canary"),
        "name-conflict",
        "Service web-canary",
        ("metadata", "name"),
    ),
    "a Deployment of a track": (
        object_("Deployment", "web-stable"),
        "name-conflict",
        "Deployment web-stable",
        ("metadata", "name"),
    ),
    "a VirtualService of the rollout's name": (
        object_("VirtualService", "web", spec={"hosts": ["web"]}),
        "name-conflict",
        "VirtualService web",
        ("metadata", "name"),
    ),
    "a rollout whose objects have our names": (
        edited(FINE, {"metadata.name": "web-canary"}),
        "name-conflict",
        "CanaryRollout web-canary and CanaryRollout web (",
        ("metadata", "name"),
    ),
    "the same rollout twice": (
        FINE,
        "same-name",
        "CanaryRollout web is in line 1 too; applied together, the last one counts.",
        ("metadata", "name"),
    ),
    "a route for our host": (
        object_("VirtualService", "other", spec={"hosts": ["web.demo.svc.cluster.local", "a.b"]}),
        "host-conflict",
        "VirtualService other routes web, and so does CanaryRollout web (",
        ("spec", "hosts"),
    ),
    "an autoscaler of a track": (
        scaler(apiVersion="apps/v1", kind="Deployment", name="web-stable"),
        "scale-target",
        "scales Deployment web-stable, whose replicas the operator sets",
        ("spec", "scaleTargetRef", "name"),
    ),
    "an autoscaler of KEDA of a track": (
        scaler("ScaledObject", name="web-canary"),
        "scale-target",
        "ScaledObject scaler scales Deployment web-canary",
        ("spec", "scaleTargetRef", "name"),
    ),
    "an autoscaler of another version": (
        scaler(apiVersion="canary-operator.dev/v1", kind="CanaryRollout", name="web"),
        "scale-target",
        "does not find CanaryRollout web, whose apiVersion is canary-operator.dev/v1alpha1.",
        ("spec", "scaleTargetRef", "apiVersion"),
    ),
}


@pytest.mark.parametrize(
    ("other", "rule", "words", "place"), TOGETHER.values(), ids=TOGETHER.keys()
)
def test_objects_in_each_others_way(
    tmp_path: Path, other: Any, rule: str, words: str, place: tuple[str | int, ...]
) -> None:
    found = linted(tmp_path, FINE, other)
    (finding,) = (one for one in found if one.rule == rule)
    assert finding.severity is ERROR
    assert words in finding.sentence
    assert (finding.line, finding.column) == document(tmp_path, 1).position(place)
    assert {one.rule for one in found} <= {rule, "replicas-and-autoscaler"}


NO_CONFLICT = {
    "other names": object_("Service", "web-metrics"),
    "another namespace": object_("Service", "web", metadata__namespace="prod"),
    "another kind": object_("ConfigMap", "web"),
    "another group": object_("Service", "web", apiVersion="serving.knative.dev/v1"),
    "the Deployment of before": object_("Deployment", "web"),
    "our own object, as kubectl prints it": object_(
        "Service", "web", metadata__ownerReferences=OWNERS
    ),
    "a route for another host": object_("VirtualService", "other", spec={"hosts": ["api"]}),
    "a route on another gateway": object_(
        "VirtualService", "other", spec={"hosts": ["web"], "gateways": ["public"]}
    ),
    "an autoscaler of something else": scaler(kind="Deployment", name="api"),
    "odd objects": object_("VirtualService", "other", spec=[3], metadata__ownerReferences=3),
    "an odd autoscaler": object_("HorizontalPodAutoscaler", "web", spec={"scaleTargetRef": "web"}),
    "text": "just text\n",
}


@pytest.mark.parametrize("other", NO_CONFLICT.values(), ids=NO_CONFLICT.keys())
def test_objects_in_nobodys_way(tmp_path: Path, other: Any) -> None:
    assert linted(tmp_path, FINE, other) == ()


@pytest.mark.parametrize("name", ["web", "shop"])
def test_a_virtual_service_of_ones_own_is_in_nobodys_way(tmp_path: Path, name: str) -> None:
    own = edited(FINE, {"spec.traffic": {"istio": {"virtualService": {"name": name}}}})
    route = object_("VirtualService", name, spec={"hosts": ["web"]})
    assert linted(tmp_path, own, route) == ()


ADOPTING = edited(
    FINE,
    {"spec.template": ABSENT, "spec.replicas": ABSENT, "spec.workloadRef": {"name": "shop"}},
)
SCALED = edited(ADOPTING, {"spec.autoscaling": {"minReplicas": 2, "maxReplicas": 9}})
OF_DEPLOYMENT = scaler(apiVersion="apps/v1", kind="Deployment", name="shop")


@pytest.mark.parametrize(
    ("other", "words"),
    [
        pytest.param(OF_DEPLOYMENT, "scaler scales Deployment shop, and", id="of the Deployment"),
        pytest.param(scaler("ScaledObject", name="shop"), "ScaledObject scaler", id="of KEDA"),
        pytest.param(
            scaler(**ROLLOUT_API, name="web"), "scales CanaryRollout web, and", id="of the rollout"
        ),
    ],
)
def test_two_autoscalers_of_the_same_pods(
    tmp_path: Path, other: Mapping[str, Any], words: str
) -> None:
    (finding,) = linted(tmp_path, SCALED, other)
    assert (finding.rule, finding.severity) == ("second-autoscaler", ERROR)
    assert words in finding.sentence
    assert "AmbiguousSelector" in finding.sentence
    place = document(tmp_path, 1).position(("spec", "scaleTargetRef", "name"))
    assert (finding.line, finding.column) == place


def test_an_autoscaler_of_a_deployment_that_a_rollout_replaces_follows_no_load(
    tmp_path: Path,
) -> None:
    (finding,) = linted(tmp_path, ADOPTING, OF_DEPLOYMENT)
    assert (finding.rule, finding.severity) == ("resting-autoscaler", WARNING)
    assert "kind: CanaryRollout, name: web" in finding.fix


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(scaler(kind="Deployment", name="web"), id="of another Deployment"),
        pytest.param(scaler(kind="StatefulSet", name="shop"), id="of another kind"),
    ],
)
def test_autoscalers_of_others_are_nobodys_business(
    tmp_path: Path, other: Mapping[str, Any]
) -> None:
    assert linted(tmp_path, SCALED, other) == ()
    assert linted(tmp_path, ADOPTING, other) == ()


def test_a_service_that_is_given_to_a_rollout_is_no_conflict(tmp_path: Path) -> None:
    mark = {"canary-operator.dev/adopt": "web"}
    given = object_("Service", "web", metadata__annotations=mark)
    assert linted(tmp_path, ADOPTING, given) == ()
    (finding,) = linted(tmp_path, FINE, given)
    assert finding.rule == "name-conflict", "with a template no Service is taken over"


@pytest.mark.parametrize("annotations", [{}, {"canary-operator.dev/adopt": "shop"}, "odd"])
def test_a_service_that_is_not_given_says_how_to_give_it(tmp_path: Path, annotations: Any) -> None:
    other = object_("Service", "web", metadata__annotations=annotations)
    (finding,) = linted(tmp_path, ADOPTING, other)
    assert finding.rule == "name-conflict"
    assert "canary-operator.dev/adopt: web" in finding.fix


def test_who_has_an_autoscaler_needs_no_replicas_in_the_manifest(tmp_path: Path) -> None:
    aimed = scaler(**ROLLOUT_API, name="web")
    (finding,) = linted(tmp_path, FINE, aimed)
    assert (finding.rule, finding.severity) == ("replicas-and-autoscaler", WARNING)
    assert (finding.line, finding.column) == document(tmp_path).position(("spec", "replicas"))
    assert "kubectl scale" in finding.fix, "an object without a number has no scale"
    assert linted(tmp_path, edited(FINE, {"spec.replicas": ABSENT}), aimed) == ()


def files(folder: Path, **manifests: Any) -> tuple[Finding, ...]:
    for name, manifest in manifests.items():
        path = folder / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        text = manifest if isinstance(manifest, str) else yaml.safe_dump(manifest)
        path.with_suffix(".yaml").write_text(text, encoding="utf-8")
    return lint(read_documents([str(folder)]), Operator(), [str(folder)]).findings


def test_in_one_folder_the_last_of_a_name_counts(tmp_path: Path) -> None:
    (finding,) = files(tmp_path, a=FINE, b=FINE)
    assert (finding.rule, finding.severity) == ("same-name-nearby", WARNING)
    assert finding.file.endswith("b.yaml")


def test_folders_may_be_for_different_clusters(tmp_path: Path) -> None:
    assert files(tmp_path, test__a=FINE, prod__a=FINE, other__b=object_("Service", "web")) == ()


PATCH = {"apiVersion": FINE["apiVersion"], "kind": FINE["kind"], "metadata": {"name": "web"}}


def test_a_patch_is_not_taken_for_a_whole(tmp_path: Path) -> None:
    kustomization = {"resources": ["web.yaml"], "patches": [{"path": "patch.yaml"}]}
    patch = {**PATCH, "spec": {"replicas": "many"}}
    found = files(tmp_path, kustomization=kustomization, web=FINE, patch=patch)
    (finding,) = found
    assert (finding.rule, finding.severity) == ("kustomize", INFO)
    assert "This is a patch of the kustomization in" in finding.sentence
    assert "kustomize build " in finding.fix


def test_nothing_but_a_patch_is_no_success(tmp_path: Path) -> None:
    kustomization = {"patches": [{"path": "patch.yaml"}]}
    found = files(tmp_path, kustomization=kustomization, patch=PATCH)
    assert {(one.rule, one.severity) for one in found} == {
        ("kustomize", INFO),
        ("no-rollout", WARNING),
    }


def test_what_a_kustomization_lists_may_have_no_tag_yet(tmp_path: Path) -> None:
    untagged = edited(FINE, {f"{APP}.image": "web"})
    (finding,) = files(tmp_path, kustomization={"resources": ["web.yaml"]}, web=untagged)
    assert finding.rule == "kustomize"
    assert "may change this before it is applied" in finding.sentence


# Texts


def test_broken_yaml_is_an_error_at_its_line(tmp_path: Path) -> None:
    (finding,) = linted(tmp_path, FINE, "kind: [\n")
    assert (finding.rule, finding.severity) == ("yaml-syntax", ERROR)
    assert finding.line == document(tmp_path, 1).problems[0].line


def test_a_field_that_is_there_twice_is_an_error(tmp_path: Path) -> None:
    (finding,) = linted(tmp_path, yaml.safe_dump(FINE) + "kind: CanaryRollout\n")
    assert (finding.rule, finding.severity) == ("duplicate-key", ERROR)
    assert finding.sentence == "kind is written twice; the first is in line 2."


def test_what_other_objects_write_twice_is_their_business(tmp_path: Path) -> None:
    assert linted(tmp_path, FINE, "kind: ConfigMap\nkind: ConfigMap\n") == ()


@pytest.mark.parametrize("text", ["", "# nothing\n", "kind: Service\n", "- a\n"])
def test_where_nothing_is_to_be_looked_at_it_says_so(tmp_path: Path, text: str) -> None:
    (finding,) = linted(tmp_path, text)
    assert (finding.rule, finding.severity, finding.line) == ("no-rollout", WARNING, 1)


def test_a_chart_is_a_warning(tmp_path: Path) -> None:
    template = "apiVersion: canary-operator.dev/v1alpha1\n{{- if .Values.on }}\n"
    (finding,) = files(tmp_path, Chart={"name": "web"}, templates__web=template)
    assert (finding.rule, finding.severity) == ("helm-chart", WARNING)


def test_what_yaml_makes_of_a_word_is_told(tmp_path: Path) -> None:
    text = (
        yaml.safe_dump(FINE).replace("app: web", "app: on").replace("replicas: 4", "replicas: yes")
    )
    replicas, label = linted(tmp_path, text)
    assert 'YAML reads yes as true; as text it is "yes".' in about(replicas)
    assert 'YAML reads on as true; as text it is "on".' in about(label)
    assert text.splitlines()[label.line - 1].strip() == "app: on"


def test_findings_are_in_the_order_of_lines_and_files(tmp_path: Path) -> None:
    bad = edited(FINE, {"spec.replicas": 1, "kind": "Rollout", f"{APP}.image": "web"})
    found = files(tmp_path, b=bad, a=edited(bad, {"metadata.name": "api"}))
    assert [Path(one.file).name for one in found] == ["a.yaml"] * 3 + ["b.yaml"] * 3
    assert [one.line for one in found[:3]] == sorted(one.line for one in found[:3])


def test_every_rule_has_a_row() -> None:
    tables = (*OBJECT_RULES, TEMPLATE_RULE, *SPEC_RULES, *TOGETHER_RULES)
    shown = {row.rule for row in ROWS.values()} | {rule for _, rule, _, _ in TOGETHER.values()}
    told_elsewhere = {
        "same-name-nearby",
        "replicas-and-autoscaler",
        "second-autoscaler",
        "resting-autoscaler",
    }
    assert {rule.name for rule in tables} == shown | told_elsewhere


# The same as the API server and the operator


def manifest(spec: Any) -> dict[str, Any]:
    return {**FINE, "spec": spec}


ALLOWED_HOSTS = ("*.example.com", "*.a.example")
ALLOWING = Operator(allowed_hosts=ALLOWED_HOSTS)
SETTINGS = Settings(allowed_hosts=ALLOWED_HOSTS)


@pytest.mark.parametrize("bad", BAD, ids=[bad.id for bad in BAD])
def test_what_the_models_refuse_is_an_error_inside_of_the_object(tmp_path: Path, bad: Bad) -> None:
    others = object_("Namespace", "before"), object_("Namespace", "after")
    found = linted(tmp_path, others[0], manifest(bad.spec), others[1], operator=ALLOWING)
    errors = [one for one in found if one.severity is ERROR]
    assert bad.problem in [one.sentence for one in errors]
    begin, end = (document(tmp_path, index).line for index in (1, 2))
    assert all(begin <= one.line < end for one in errors)


@pytest.mark.parametrize("spec", GOOD.values(), ids=GOOD.keys())
def test_what_the_operator_takes_has_no_error(tmp_path: Path, spec: Any) -> None:
    found = linted(tmp_path, manifest(spec), operator=ALLOWING)
    refused = _refused(spec)
    assert any(one.severity is ERROR for one in found) is refused


def _refused(spec: Any) -> bool:
    try:
        read_spec(spec, name="web", namespace="demo", settings=SETTINGS)
    except InvalidRolloutError:
        return True
    return False


def _places(value: Any, place: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    entries = value.items() if isinstance(value, dict) else enumerate(value)
    below = [
        one
        for key, item in entries
        for one in (
            _places(item, (*place, key)) if isinstance(item, dict | list) else [(*place, key)]
        )
    ]
    return [place, *below] if place else below


ANY_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-2, 10**12)
    | st.floats(allow_nan=False)
    | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)
PLACES = sorted(_places(edited(manifest(FULL), {})), key=str)


@settings(max_examples=200, deadline=None)
@given(place=st.sampled_from(PLACES), value=ANY_JSON)
def test_whatever_is_written_lint_is_as_strict_as_the_operator(
    tmp_path_factory: pytest.TempPathFactory, place: tuple[str | int, ...], value: Any
) -> None:
    changed = edited(manifest(FULL), {".".join(map(str, place)): value})
    found = linted(tmp_path_factory.mktemp("any"), changed, operator=ALLOWING)
    if not any(one.severity is ERROR for one in found):
        assert not _refused(changed["spec"])


# The examples


@pytest.mark.parametrize(
    "path", sorted(EXAMPLES.rglob("*.yaml")), ids=lambda path: str(path.relative_to(EXAMPLES))
)
def test_examples_have_no_errors(path: Path) -> None:
    found = lint(read_documents([str(path)]), Operator(), [str(path)]).findings
    assert [one for one in found if one.severity is ERROR] == []
