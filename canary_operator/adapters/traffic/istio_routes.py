"""The VirtualService of a rollout: what it looks like, and what one says."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import Any

from canary_operator.adapters.cluster.owned import owner_of
from canary_operator.adapters.traffic.istio_claims import MESH, full_host
from canary_operator.adapters.traffic.istio_http import ALL, Hosts, routes_by_kind
from canary_operator.domain.hosts import own_hosts
from canary_operator.domain.objects import (
    CANARY,
    GROUP,
    MATCH,
    REJECTED_ANNOTATION,
    REJECTED_BECAUSE_ANNOTATION,
    STABLE,
    metadata,
    track_name,
)
from canary_operator.domain.spec import IstioTraffic, RolloutSpec
from canary_operator.domain.target import RouteTarget
from canary_operator.ports import Key, Rollout

GIVEN_ANNOTATION = f"{GROUP}/given"
"""Keys of labels and annotations that the spec gave; that taking one from the spec is seen here."""

ROUTE_KINDS = ("http", "tcp", "tls")


def virtual_service(  # noqa: PLR0913 - all of them decide what it looks like
    rollout: Rollout,
    spec: RolloutSpec,
    target: RouteTarget,
    cluster_domain: str,
    *,
    without: Collection[str] = (),
    with_group: bool = True,
) -> dict[str, Any]:
    """Return the VirtualService of a rollout, with the mark of a rollback in the same write.

    Args:
        rollout: Whose it is.
        spec: Its spec in force.
        target: What the canary gets.
        cluster_domain: End of the names of Services.
        without: Hosts of the spec that are left out.
        with_group: Whether the Service of a focused canary's group may be sent requests to.
    """
    claimed = hosts_of(rollout.key, spec, cluster_domain)
    hosts = [host for host in claimed["hosts"] if host not in without]
    gateways = claimed["gateways"]
    ours = destinations(rollout.key, cluster_domain)
    if not with_group:
        ours = replace(ours, group=ours.stable)
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": _metadata(rollout, spec.traffic.istio or IstioTraffic(), target),
        "spec": {
            "hosts": hosts,
            "gateways": gateways,
            **routes_by_kind(spec, target.weight, gateways, ours),
        },
    }


def has_settings(spec: RolloutSpec) -> bool:
    """Whether the VirtualService has more in it than what the operator itself puts there."""
    istio = spec.traffic.istio or IstioTraffic()
    return spec.strategy.is_focused or bool(istio.model_fields_set - {"hosts", "gateways"})


def _metadata(rollout: Rollout, istio: IstioTraffic, target: RouteTarget) -> dict[str, Any]:
    """Return metadata with the mark of a rollback, and what the spec gives beside; ours wins."""
    marks = {
        REJECTED_ANNOTATION: target.rejected or "",
        REJECTED_BECAUSE_ANNOTATION: str(target.rejected_because or ""),
    }
    given = sorted({*istio.labels, *istio.annotations})
    annotations = {**istio.annotations, **marks}
    if given:
        annotations[GIVEN_ANNOTATION] = " ".join(given)
    meta = metadata(owner_of(rollout), rollout.key.name, annotations=annotations)
    return {**meta, "labels": {**istio.labels, **meta["labels"]}}


def destinations(key: Key, cluster_domain: str) -> Hosts:
    """Return where the requests of a rollout are sent to."""
    return Hosts(
        *(
            full_host(track_name(key.name, part), key.namespace, cluster_domain)
            for part in (STABLE, CANARY, MATCH)
        )
    )


def hosts_of(key: Key, spec: RolloutSpec, cluster_domain: str) -> dict[str, list[str]]:
    """Return the hosts and gateways that a rollout asks for, as its VirtualService has them."""
    istio = spec.traffic.istio or IstioTraffic()
    own = full_host(key.name, key.namespace, cluster_domain)
    # Istio serves every spelling of a Service from its full name. As hosts of their own they would
    # claim more: on a gateway, `web.dev` is what the whole world calls by that name.
    ours = own_hosts(key.name, key.namespace, cluster_domain)
    further = (
        full_host(host, key.namespace, cluster_domain) for host in istio.hosts if host not in ours
    )
    return {
        "hosts": list(dict.fromkeys((own, *further))),
        "gateways": list(dict.fromkeys((MESH, *istio.gateways))),
    }


def canary_weight(
    spec: Mapping[str, Any], key: Key, cluster_domain: str, *, focused: bool = False
) -> int | None:
    """Return the canary's share that a VirtualService gives, of the requests that it is for.

    None where a route has other destinations than ours or weights that do not sum to 100. Where
    routes differ, the highest one counts: whoever compares it will not think the canary idle.

    Args:
        spec: Of the VirtualService.
        key: Whose it is.
        cluster_domain: End of the names of Services.
        focused: Whether the canary is for a group. Then each of its routes stands beside one to
            stable alone, for everybody else, and connections stay on stable.
    """
    ours = destinations(key, cluster_domain)
    weights, split, alone = list[int](), 0, 0
    for kind, route in _routes(spec):
        shares = {
            full_host(
                entry.get("destination", {}).get("host", ""), key.namespace, cluster_domain
            ): entry.get("weight", 0)
            for entry in route.get("route") or ()
        }
        if focused and set(shares) == {ours.stable}:
            alone += kind == "http"
            continue
        weight = _split_weight(shares, ours)
        if weight is None:
            return None
        weights.append(weight)
        split += kind == "http"
    whole = not focused or split == alone
    return max(weights, default=None) if whole else None


def _routes(spec: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for kind in ROUTE_KINDS:
        yield from ((kind, route) for route in spec.get(kind) or ())


def _split_weight(shares: Mapping[str, Any], ours: Hosts) -> int | None:
    pairs = ({ours.stable, ours.canary}, {ours.group, ours.canary})
    if set(shares) not in pairs or sum(shares.values()) != ALL:
        return None
    weight = shares[ours.canary]
    return weight if isinstance(weight, int) else None


def names_group(spec: Mapping[str, Any], key: Key, cluster_domain: str) -> bool:
    """Whether a VirtualService sends requests to the Service of a focused canary's group."""
    group = destinations(key, cluster_domain).group
    return any(
        entry.get("destination", {}).get("host") == group
        for _, route in _routes(spec)
        for entry in route.get("route") or ()
    )
