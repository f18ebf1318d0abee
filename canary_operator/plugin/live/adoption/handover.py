"""What leads to the Service or acts on the Deployment, and how it moves to the CanaryRollout."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from canary_operator.domain.objects import GROUP, KIND, ROLLOUT_LABEL, STABLE, TRACK_LABEL, VERSION
from canary_operator.plugin.live.adoption.selectors import selects, shown
from canary_operator.plugin.live.adoption.surroundings import Manifests, Surroundings, name_of

MESH = "mesh"


@dataclass(frozen=True, slots=True)
class Remark:
    """Something to know or to do."""

    words: str
    commands: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Traffic:
    """Hosts that a VirtualService routes to the Service from beyond it."""

    hosts: tuple[str, ...]
    gateways: tuple[str, ...]


def callers(seen: Surroundings, service: str, name: str) -> Iterator[Remark]:
    """Yield who calls the Service, and what they have to call instead."""
    yield Remark(
        f"Callers in the cluster: the host {service} becomes {name} "
        f"({name}.{seen.namespace}.svc.cluster.local)."
    )
    for one in ingresses_to(seen, service):
        yield Remark(
            f"Ingress {name_of(one)} sends to Service {service}: name {name} there. Unless its "
            "controller is in the mesh, its requests only meet stable."
        )
    for one in routes_to(seen, service):
        yield Remark(about_route(one, seen, service, name))


def routes_to(seen: Surroundings, service: str) -> Manifests:
    """Return the VirtualServices that send requests to the Service."""
    own = own_hosts(service, seen.namespace)
    return tuple(one for one in seen.routes if own & _destinations(one))


def traffic_of(seen: Surroundings, service: str) -> Traffic:
    """Return the hosts that the rollout has to route instead, with their gateways."""
    own, routes = own_hosts(service, seen.namespace), routes_to(seen, service)
    hosts = [host for one in routes for host in _spec(one).get("hosts") or ()]
    beyond = [host for host in dict.fromkeys(hosts) if host not in own and host != "*"]
    gateways = [gate for one in routes for gate in _spec(one).get("gateways") or ()]
    kept = [gate for gate in dict.fromkeys(gateways) if gate != MESH]
    return Traffic(tuple(beyond), tuple(kept) if beyond else ())


def own_hosts(service: str, namespace: str) -> frozenset[str]:
    """Return the names by which a Service is called."""
    full = f"{service}.{namespace}"
    return frozenset({service, full, f"{full}.svc", f"{full}.svc.cluster.local"})


def hosts_of(route: Mapping[str, Any]) -> frozenset[str]:
    """Return which hosts a VirtualService routes."""
    return frozenset(_spec(route).get("hosts") or ())


def ingresses_to(seen: Surroundings, service: str) -> Manifests:
    """Return the Ingresses that send requests to the Service."""
    return tuple(one for one in seen.ingresses if service in _backends(one))


def about_route(route: Mapping[str, Any], seen: Surroundings, service: str, name: str) -> str:
    """Return what becomes of a VirtualService that sends requests to the Service."""
    hosts = ", ".join(_spec(route).get("hosts") or ())
    words = f"VirtualService {name_of(route)} routes {hosts} to Service {service}"
    if hosts_of(route) <= own_hosts(service, seen.namespace):
        return (
            f"{words}; it goes with the Service. The rollout's own VirtualService splits by weight "
            "and has none of its other rules (retries, timeouts, matches)."
        )
    return (
        f"{words}. Sent to {name} by this route, requests would only meet stable: take the hosts "
        "out there and uncomment spec.traffic below, so that the rollout routes them. The "
        "operator's admin has to allow them with --allowed-host."
    )


def _spec(manifest: Mapping[str, Any]) -> Mapping[str, Any]:
    return manifest.get("spec") or {}


def _destinations(route: Mapping[str, Any]) -> frozenset[str]:
    rules = [rule for kind in ("http", "tcp", "tls") for rule in _spec(route).get(kind) or ()]
    parts = [part for rule in rules for part in rule.get("route") or ()]
    return frozenset((part.get("destination") or {}).get("host") or "" for part in parts)


def _backends(ingress: Mapping[str, Any]) -> frozenset[str]:
    spec = _spec(ingress)
    paths = [
        path
        for rule in spec.get("rules") or ()
        for path in (rule.get("http") or {}).get("paths", ())
    ]
    backends = [spec.get("defaultBackend") or {}, *(path.get("backend") or {} for path in paths)]
    return frozenset((one.get("service") or {}).get("name") or "" for one in backends)


def others(seen: Surroundings, name: str) -> Iterator[Remark]:
    """Yield what acts on the Deployment or its pods."""
    for one in scalers_of(seen):
        yield Remark(
            f"HorizontalPodAutoscaler {name_of(one)} scales the Deployment; let it scale the "
            "rollout. An apply of this file then sets spec.replicas back to the number in it, "
            "until the autoscaler acts again:",
            (aim_at(one, seen.namespace, name),),
        )
    yield from of_pods(seen, name)


def aim_at(scaler: Mapping[str, Any], namespace: str, name: str) -> str:
    """Return the command that lets an autoscaler scale a rollout."""
    target = {"apiVersion": f"{GROUP}/{VERSION}", "kind": KIND, "name": name}
    where = f"hpa/{name_of(scaler)} -n {namespace}"
    return _patch(where, {"spec": {"scaleTargetRef": target}})


def of_pods(seen: Surroundings, name: str) -> Iterator[Remark]:
    """Yield what selects the pods, and so those of both versions."""
    where = f"-n {seen.namespace}"
    selector = {"matchLabels": {ROLLOUT_LABEL: name, TRACK_LABEL: STABLE}}
    for one in seen.budgets:
        if selects(_spec(one).get("selector") or {}, seen.labels):
            labels = _selector_words(_spec(one).get("selector") or {})
            yield Remark(
                f"PodDisruptionBudget {name_of(one)} selects {labels}: canary pods, too, so they "
                "count as if they could stand in for stable's. To guard stable alone:",
                (_patch(f"pdb/{name_of(one)} {where}", {"spec": {"selector": selector}}),),
            )
    policies = [
        name_of(one)
        for one in seen.policies
        if selects(_spec(one).get("podSelector") or {}, seen.labels)
    ]
    if policies:
        yield Remark(
            f"NetworkPolicies go on as they are, for both versions: {', '.join(policies)}. The "
            "pods keep their labels."
        )


def scalers_of(seen: Surroundings) -> Manifests:
    """Return the autoscalers of the Deployment."""
    wanted = ("Deployment", seen.name)
    targets = ((one, _spec(one).get("scaleTargetRef") or {}) for one in seen.scalers)
    return tuple(
        one for one, target in targets if (target.get("kind"), target.get("name")) == wanted
    )


def _selector_words(selector: Mapping[str, Any]) -> str:
    exact = selector.get("matchLabels") or {}
    return shown(exact) if exact else "these pods"


def _patch(what: str, patch: Mapping[str, Any]) -> str:
    return f"kubectl patch {what} --type merge -p '{json.dumps(patch, separators=(',', ':'))}'"
