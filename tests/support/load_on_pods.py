"""Load on a rollout without a mesh: Envoy only balances its Service, as kube-proxy would."""

from collections.abc import Mapping
from typing import Any

from canary_operator.playground.mesh.catalog import Catalog
from tests.support.load import NAMESPACE, Scene

ERRORS = """
(sum(rate(http_requests_total{namespace="{{ namespace }}", pod=~"{{ canary }}-.+", code=~"5.."}
[{{ window }}])) or vector(0))
/ sum(rate(http_requests_total{namespace="{{ namespace }}", pod=~"{{ canary }}-.+"}[{{ window }}]))
"""


class PodScene(Scene):
    """One rollout whose pods are its split."""

    async def apply(self, version: str, replicas: int = 3, **environment: str) -> None:
        """Apply a version; 3 stable pods and 1 canary pod are 25 %."""
        await super().apply(version, replicas, **environment)

    def spec(self, app: Mapping[str, Any], replicas: int) -> dict[str, Any]:
        """Return a spec whose rollout takes some fifteen seconds."""
        meta = {"labels": {"app": self.name}, "annotations": {"prometheus.io/scrape": "true"}}
        metric = {"name": "errors", "query": {"promql": ERRORS, "max": 0.05}}
        return {
            "replicas": replicas,
            "template": {"metadata": meta, "spec": {"containers": [app]}},
            "service": {"port": 80, "targetPort": "http"},
            "traffic": {"replicas": {}},
            "strategy": {
                "steps": [{"weight": 25, "hold": "6s"}, {"weight": 50, "hold": "4s"}],
                "scaleDownDelay": "2s",
            },
            "analysis": {"interval": "5s", "window": "4s", "failureLimit": 0, "metrics": [metric]},
        }

    def weight_in(self, mesh: Catalog) -> int | None:
        """Return the share of the canary's pods among those that Envoy balances over."""
        pods = self._pods(mesh)
        canary = sum(name == f"{self.name}-canary" for name in pods)
        return 100 * canary // len(pods) if pods else None

    def serves(self, mesh: Catalog) -> bool:
        """Return whether the Service leads to somebody."""
        return bool(self._pods(mesh))

    def _pods(self, mesh: Catalog) -> list[str]:
        """Return the Deployment of each pod behind the Service."""
        service = mesh.services.get(mesh.host(self.name, NAMESPACE))
        port = service.port(None) if service else None
        return [one.workload.name for one in port.endpoints] if port else []
