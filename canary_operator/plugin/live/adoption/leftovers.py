"""What a Deployment and its Service say that a CanaryRollout does not take over."""

from collections.abc import Iterator, Mapping
from typing import Any

from canary_operator.plugin.live.adoption.surroundings import name_of

RECREATE = "Recreate"
_DEPLOYMENT_DEFAULTS: Mapping[str, Any] = {
    "minReadySeconds": 0,
    "progressDeadlineSeconds": 600,
    "revisionHistoryLimit": 10,
    "paused": False,
}
_INSTEAD: Mapping[str, str] = {
    "minReadySeconds": "the hold of a step takes its place",
    "progressDeadlineSeconds": "spec.strategy.progressDeadline is its counterpart",
    "revisionHistoryLimit": "the last ten revisions are recorded",
    "paused": "spec.paused: true pauses a rollout",
}
_ROLLING: tuple[Mapping[str, Any], ...] = ({}, {"maxUnavailable": "25%", "maxSurge": "25%"})
_SERVICE_DEFAULTS: Mapping[str, Any] = {
    "type": "ClusterIP",
    "sessionAffinity": "None",
    "internalTrafficPolicy": "Cluster",
    "publishNotReadyAddresses": False,
    "ipFamilyPolicy": "SingleStack",
}
_SERVICE_EXTRAS = (
    "externalIPs",
    "externalTrafficPolicy",
    "loadBalancerClass",
    "loadBalancerIP",
    "loadBalancerSourceRanges",
    "trafficDistribution",
)
_NOBODYS = ("kubectl.kubernetes.io/", "deployment.kubernetes.io/")
"""Annotations that kubectl and the controllers write for themselves."""


def of_deployment(deployment: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is decided in the Deployment and lost."""
    spec = deployment.get("spec") or {}
    for field, default in _DEPLOYMENT_DEFAULTS.items():
        value = spec.get(field, default)
        if value != default:
            yield f"{field}: {_shown(value)}; {_INSTEAD[field]}"
    strategy = spec.get("strategy") or {}
    if strategy.get("type") == RECREATE:
        yield "strategy Recreate; stable is always rolled"
    elif (strategy.get("rollingUpdate") or {}) not in _ROLLING:
        rolling = strategy["rollingUpdate"]
        numbers = ", ".join(f"{key}: {value}" for key, value in sorted(rolling.items()))
        yield f"strategy with {numbers}; stable is rolled with maxUnavailable 0 and maxSurge 25%"
    yield from _marks(deployment, "the Deployment")


def of_service(service: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is decided in the Service and lost."""
    spec, name = service.get("spec") or {}, name_of(service)
    for field, default in _SERVICE_DEFAULTS.items():
        value = spec.get(field, default)
        if value != default:
            yield f"{field}: {_shown(value)} of Service {name}"
    if spec.get("clusterIP") == "None":
        yield f"Service {name} is headless; those of the rollout have an address"
    usual = {"externalTrafficPolicy": "Cluster"}
    for field in _SERVICE_EXTRAS:
        if spec.get(field) and spec[field] != usual.get(field):
            yield f"{field} of Service {name}"
    yield from _marks(service, f"Service {name}")


def _marks(manifest: Mapping[str, Any], whose: str) -> Iterator[str]:
    annotations = (manifest.get("metadata") or {}).get("annotations") or {}
    keys = [key for key in annotations if not key.startswith(_NOBODYS)]
    if keys:
        yield f"annotations of {whose} itself: {', '.join(keys)}"


def _shown(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
