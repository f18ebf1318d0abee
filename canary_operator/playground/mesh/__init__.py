"""A service mesh in one process: real Envoy, Istio's routing objects, Istio's telemetry.

    async with Client(api.url) as client, Mesh(client, directory) as mesh:
        ...

From the cluster to Envoy: `control` watches, `catalog` says what the objects mean together,
`clusters`, `hosts`, `routes` and `matching` put it in Envoy's words (all of them pure), `delivery`
brings it into a running `envoy` without losing a request; `bootstrap` is what never changes.
From Envoy to Prometheus: `telemetry` reads the access log and documents what Istio does and where
the playground differs, `series` counts, `exporter` serves.
"""

from canary_operator.playground.mesh.bundle import VISITOR, Mesh

__all__ = ["VISITOR", "Mesh"]
