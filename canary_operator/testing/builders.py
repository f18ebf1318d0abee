"""Small specs for tests: one known-good one, changed a field at a time."""

from typing import Any


def template(version: str) -> dict[str, Any]:
    """Return a pod template whose image has the tag `version`."""
    return {
        "metadata": {"labels": {"app": "web"}},
        "spec": {"containers": [{"name": "app", "image": f"web:{version}"}]},
    }


def without_a_mesh(*weights: int, replicas: int = 3, rounding: str = "Exact") -> dict[str, Any]:
    """Return what makes `spec` one that splits requests by the number of pods."""
    return {
        "replicas": replicas,
        "traffic": {"replicas": {"rounding": rounding}},
        "strategy": {
            "steps": [{"weight": weight, "hold": "10s"} for weight in weights],
            "progressDeadline": "2m",
            "scaleDownDelay": "30s",
        },
        "analysis": {
            "interval": "5s",
            "window": "5s",
            "failureLimit": 1,
            "metrics": [{"name": "errors", "query": {"promql": "errors", "max": 0}}],
        },
    }


def spec(version: str = "v1", **changes: Any) -> dict[str, Any]:
    """Return a spec with quick steps of 5, 20 and 50 %, as a user writes it."""
    size = {} if "autoscaling" in changes else {"replicas": 4}
    return {
        **size,
        "template": template(version),
        "service": {"port": 80, "targetPort": 8080},
        "strategy": {
            "steps": [
                {"weight": 5, "hold": "10s"},
                {"weight": 20, "hold": "10s"},
                {"weight": 50, "hold": "10s"},
            ],
            "progressDeadline": "2m",
            "scaleDownDelay": "30s",
        },
        "analysis": {"interval": "5s", "window": "5s", "failureLimit": 1},
    } | changes
