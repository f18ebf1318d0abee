"""CanaryRollouts and what belongs to them, as an API server would send them."""

from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import Any

from canary_operator.domain.revision import revision_of
from canary_operator.plugin.family import Family, family_of
from canary_operator.plugin.sight import Sight

NOW = datetime(2026, 11, 28, 10, 41, 30, tzinfo=UTC)


def ago(seconds: float) -> str:
    """Return a time before `NOW` as the API has it."""
    moment = NOW - timedelta(seconds=seconds)
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")


def template(version: str) -> dict[str, Any]:
    return {
        "metadata": {"labels": {"app": "web"}},
        "spec": {
            "containers": [
                {"name": "app", "image": f"registry.example.com/shop/web:{version}"},
                {"name": "log", "image": "log:7"},
            ]
        },
    }


STABLE, CANARY = revision_of(template("v1")), revision_of(template("v2"))

SPEC: dict[str, Any] = {
    "replicas": 4,
    "template": template("v2"),
    "service": {"port": 80, "targetPort": 8080},
    "strategy": {
        "steps": [
            {"weight": 5, "hold": "1m"},
            {"weight": 20, "hold": "1m"},
            {"weight": 50, "hold": "2m", "approval": True},
        ]
    },
    "analysis": {
        "interval": "30s",
        "window": "1m",
        "metrics": [
            {"name": "success-rate", "successRate": {"min": 99}},
            {"name": "latency", "latency": {"percentile": 99, "max": "500ms"}},
        ],
    },
}

METRICS: list[dict[str, Any]] = [
    {
        "name": "success-rate",
        "verdict": "Pass",
        "value": "99.95 %",
        "threshold": "≥ 99 %",
        "canary": {"requests": 1203, "bad": 1},
        "stable": {"requests": 4790, "bad": 3},
        "message": "success-rate: 1 of 1,203 canary requests failed (99.91 %)",
        "measuredAt": ago(12),
    },
    {
        "name": "latency",
        "verdict": "Inconclusive",
        "reason": "MetricsUnavailable",
        "threshold": "≤ 500 ms",
        "message": "latency: Prometheus did not answer within 5 s, tried again at the next check",
        "measuredAt": ago(12),
    },
]

HISTORY: list[dict[str, Any]] = [
    {
        "revision": "65f99e1df3",
        "outcome": "RolledBack",
        "reason": "AnalysisFailed",
        "message": "2 failed checks, more than the 1 that failureLimit tolerates.",
        "startedAt": ago(7400),
        "finishedAt": ago(7275),
        "maxWeight": 20,
        "requestsHurt": 31,
    },
    {
        "revision": STABLE,
        "outcome": "Promoted",
        "reason": "Promoted",
        "startedAt": ago(90_000),
        "finishedAt": ago(89_000),
        "maxWeight": 50,
        "requestsHurt": 0,
    },
    {
        "revision": "0a0a0a0a0a",
        "outcome": "Superseded",
        "reason": "Superseded",
        "message": "A newer template was applied.",
        "startedAt": ago(200_000),
        "finishedAt": ago(199_990),
        "maxWeight": 0,
    },
]


def progressing() -> dict[str, Any]:
    """Return a rollout on its second step, with one metric that cannot be read."""
    message = (
        "Step 2 of 3: 20 %, held until 10:42:00Z and until a check passes; success-rate 99.95 % "
        "≥ 99 %; latency: Prometheus did not answer within 5 s, tried again at the next check"
    )
    return {
        "apiVersion": "canary-operator.dev/v1alpha1",
        "kind": "CanaryRollout",
        "metadata": {
            "namespace": "demo",
            "name": "web",
            "uid": "u-web",
            "generation": 3,
            "resourceVersion": "812",
            "creationTimestamp": ago(90_500),
            "managedFields": [{"manager": "kubectl"}],
        },
        "spec": deepcopy(SPEC),
        "status": {
            "observedGeneration": 3,
            "phase": "Progressing",
            "message": message,
            "stableRevision": STABLE,
            "canaryRevision": CANARY,
            "step": 1,
            "stepProgress": "2/3",
            "weight": 20,
            "weightAppliedAt": ago(30),
            "progressedAt": ago(30),
            "failedChecks": 1,
            "attempt": {
                "startedAt": ago(130),
                "maxWeight": 20,
                "stepWeight": 20,
                "stepPods": 1,
                "peakAvailable": 1,
                "holdStartedAt": ago(30),
                "lastCheck": {"at": ago(12), "verdict": "Inconclusive"},
                "requestsHurt": 1.4,
            },
            "metrics": deepcopy(METRICS),
            "history": deepcopy(HISTORY),
            "replicas": 5,
            "readyReplicas": 4,
            "conditions": [_condition("Ready", "False", "Progressing")],
        },
    }


def _condition(kind: str, status: str, reason: str, message: str = "") -> dict[str, Any]:
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": message,
        "lastTransitionTime": ago(100),
    }


def changed(manifest: dict[str, Any], **status: Any) -> dict[str, Any]:
    """Return a copy with other fields of the status; None removes one."""
    found = deepcopy(manifest)
    for field, value in status.items():
        if value is None:
            found["status"].pop(field, None)
        else:
            found["status"][field] = value
    return found


def autoscaled() -> dict[str, Any]:
    """Return a rollout on its second step whose versions have autoscalers."""
    found = changed(progressing(), fullLoad=8)
    del found["spec"]["replicas"]
    found["spec"]["autoscaling"] = {"minReplicas": 2, "maxReplicas": 20}
    return found


def stable() -> dict[str, Any]:
    """Return a rollout whose wanted revision serves everything."""
    found = changed(
        progressing(),
        phase="Stable",
        message=f"Revision {CANARY} serves everything.",
        stableRevision=CANARY,
        canaryRevision=None,
        step=None,
        stepProgress=None,
        weight=0,
        weightAppliedAt=None,
        progressedAt=None,
        failedChecks=0,
        attempt=None,
        metrics=[],
        replicas=4,
        conditions=[_condition("Ready", "True", "Stable")],
    )
    found["metadata"]["name"] = "calm"
    return found


def paused() -> dict[str, Any]:
    """Return a rollout that waits for an approval, with a request that waits for the operator."""
    found = changed(
        progressing(),
        phase="Paused",
        message="Step 3 of 3: 50 %, approval required. Approve with: kubectl annotate cro/web "
        "canary-operator.dev/request=resume",
        step=2,
        stepProgress="3/3",
        weight=50,
        metrics=METRICS[:1],
        conditions=[_condition("Paused", "True", "ApprovalRequired")],
    )
    found["status"]["attempt"] |= {"stepWeight": 50, "maxWeight": 50}
    found["metadata"]["annotations"] = {"canary-operator.dev/request": f"resume/{CANARY}/x"}
    return found


def rolled_back() -> dict[str, Any]:
    """Return a rollout that ended badly."""
    words = (
        f"Revision {CANARY} was rolled back: 3 failed checks, more than the 2 that failureLimit "
        f"tolerates. Stable {STABLE} serves everything. Apply another version, or try again with: "
        "kubectl annotate cro/web canary-operator.dev/request=retry"
    )
    failed = METRICS[0] | {
        "verdict": "Fail",
        "value": "92 %",
        "message": "success-rate: 12 of 150 canary requests failed (92 %), at least 99 % is asked",
    }
    return changed(
        stable(),
        phase="RolledBack",
        message=words,
        stableRevision=STABLE,
        rejectedRevision=CANARY,
        failedChecks=3,
        metrics=[failed],
        conditions=[_condition("Stalled", "True", "RolledBack")],
    )


def refused() -> dict[str, Any]:
    """Return a rollout whose newest spec the operator does not follow."""
    found = changed(
        stable(),
        message="spec.strategy.steps[1].weight is 3, but weights of steps must never decrease.",
        conditions=[_condition("Stalled", "True", "InvalidSpec")],
    )
    found["spec"]["strategy"]["steps"][1]["weight"] = 3
    return found


def unseen() -> dict[str, Any]:
    """Return a rollout that no operator has looked at."""
    found = progressing()
    found["status"] = {"observedGeneration": -1}
    found["metadata"]["name"] = "fresh"
    return found


def sight(manifest: dict[str, Any] | None = None) -> Sight:
    """Return a look at a rollout."""
    return Sight.of(manifest or progressing())


def _owned(name: str, uid: str, owner: str, seconds: float, **parts: Any) -> dict[str, Any]:
    references = [{"uid": owner, "controller": True}]
    meta = {"name": name, "uid": uid, "creationTimestamp": ago(seconds)}
    return {"metadata": {**meta, "ownerReferences": references, **parts.pop("meta", {})}, **parts}


def deployment(track: str, version: str, replicas: int, available: int) -> dict[str, Any]:
    meta = {
        "labels": {"canary-operator.dev/track": track},
        "annotations": {"canary-operator.dev/revision": revision_of(template(version))},
    }
    return _owned(
        f"web-{track}",
        f"d-{track}",
        "u-web",
        90_500,
        meta=meta,
        spec={"replicas": replicas, "template": template(version)},
        status={"availableReplicas": available},
    )


def replica_set(track: str, version: str, ident: str, count: int, ready: int) -> dict[str, Any]:
    body = template(version)
    body["metadata"]["labels"]["canary-operator.dev/revision"] = revision_of(template(version))
    return _owned(
        f"web-{track}-{ident}",
        f"r-{track}-{ident}",
        f"d-{track}",
        300,
        spec={"replicas": count, "template": body},
        status={"readyReplicas": ready},
    )


def pod(owner: str, ident: str, *, ready: bool = True, **status: Any) -> dict[str, Any]:
    """Return a pod of a ReplicaSet `track-ident`."""
    return _owned(
        f"web-{owner}-{ident}",
        f"p-{owner}-{ident}",
        f"r-{owner}",
        200,
        status={
            "phase": "Running",
            "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
            "containerStatuses": [{"restartCount": 0, "ready": ready, "state": {"running": {}}}],
        }
        | status,
    )


def crashing(owner: str, ident: str) -> dict[str, Any]:
    waiting = {"reason": "CrashLoopBackOff", "message": "back-off 40s restarting failed container"}
    statuses = [{"restartCount": 4, "state": {"waiting": waiting}}]
    return pod(owner, ident, ready=False, containerStatuses=statuses)


def family(hidden: str = "") -> Family:
    """Return a family: stable whole, one canary pod crashing beside a good one."""
    return family_of(
        [deployment("canary", "v2", 2, 1), deployment("stable", "v1", 4, 4)],
        [
            replica_set("stable", "v1", "6d7f", 4, 4),
            replica_set("stable", "v0", "old", 0, 0),
            replica_set("canary", "v2", "5b9c", 2, 1),
        ],
        [
            *(pod("stable-6d7f", ident) for ident in ("aaaaa", "bbbbb", "ccccc", "ddddd")),
            pod("canary-5b9c", "good1"),
            crashing("canary-5b9c", "crash"),
            pod("elsewhere-1", "stray"),
        ],
        hidden,
    )
