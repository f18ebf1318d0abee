"""A service mesh in one process: real Envoy, Istio's routing objects, Istio's telemetry."""

from canary_operator.playground.mesh.bundle import VISITOR, Mesh

__all__ = ["VISITOR", "Mesh"]
