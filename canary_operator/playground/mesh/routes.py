"""A VirtualService's http routes, in Envoy's words.

Understood: `match`, weighted `route` destinations, `redirect`, `directResponse`, `rewrite`,
`timeout`, `retries`, `headers`, `fault`, `mirror` and `mirrors`. Not understood, and so ignored:
`delegate`, `corsPolicy`, subsets of DestinationRules, and `tcp` and `tls` routes.

Retries follow Istio 1.24 and later. Without `retries`, a request is tried up to two more times,
elsewhere if possible, when it certainly did not reach an application: connection failure, refused
stream, gRPC `unavailable` and `cancelled`. An application's own 503 is not tried again. Istio's
proxy beside the pod also repeats what was reset before it was sent; here that condition belongs
to the same policy, because one Envoy plays both proxies.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

from canary_operator.adapters.cluster.feed import Manifest
from canary_operator.playground.mesh.catalog import Catalog
from canary_operator.playground.mesh.matching import Caller, matches_of

MIRROR_CLUSTER = "mirrored"
MIRROR_HEADER = "x-playground-mirrored-to"
"""Names the cluster that a mirrored request is for; the mirror listener routes by it."""

DEFAULT_RETRY_ON = (
    "connect-failure,refused-stream,unavailable,cancelled,reset-before-request,"
    "retriable-status-codes"
)
DEFAULT_ATTEMPTS = 2
FAULT_FILTER = "envoy.filters.http.fault"
_FAULT_TYPE = "type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault"
_PREVIOUS_HOSTS = {
    "name": "envoy.retry_host_predicates.previous_hosts",
    "typed_config": {
        "@type": "type.googleapis.com/"
        "envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"
    },
}
_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001, "us": 0.000001}
_ONE_IN_A_MILLION = {"denominator": "MILLION"}


ClusterOf: TypeAlias = Callable[[Manifest], str]
"""Names the cluster of a destination."""


def cluster_name(host: str, port: int) -> str:
    """Return Istio's name for the cluster of a Service port."""
    return f"outbound|{port}||{host}"


def plain_route(host: str, port: int) -> Manifest:
    """Return the route of a Service without a VirtualService."""
    action = {"cluster": cluster_name(host, port), "timeout": "0s", "retry_policy": retries(None)}
    return {"name": "default", "match": {"prefix": "/"}, "route": action}


def virtual_service_routes(
    manifest: Manifest, caller: Caller, catalog: Catalog
) -> Iterator[Manifest]:
    """Yield the Envoy routes of a VirtualService for one kind of caller, in their order."""
    for position, route in enumerate(manifest["spec"].get("http") or ()):
        name = route.get("name") or f"{manifest['metadata']['name']}-{position}"
        for match in matches_of(route, caller):
            yield {
                "name": name,
                "match": match,
                **_header_changes(route),
                **_outcome(route, manifest["metadata"]["namespace"], caller, catalog),
                **_faults(route.get("fault") or {}),
            }


def retries(policy: Manifest | None) -> Manifest | None:
    """Return Envoy's retry policy; `None` when retries are switched off by `attempts: 0`."""
    if policy is not None and policy.get("attempts", DEFAULT_ATTEMPTS) <= 0:
        return None
    wanted = policy or {}
    conditions = [part.strip() for part in (wanted.get("retryOn") or "").split(",") if part.strip()]
    codes = [int(part) for part in conditions if part.isdigit()]
    words = [part for part in conditions if not part.isdigit()]
    if codes and "retriable-status-codes" not in words:
        words.append("retriable-status-codes")
    envoy: dict[str, Any] = {
        "retry_on": ",".join(words) or DEFAULT_RETRY_ON,
        "num_retries": wanted.get("attempts", DEFAULT_ATTEMPTS),
        "host_selection_retry_max_attempts": 5,
        "retry_host_predicate": [_PREVIOUS_HOSTS],
    }
    if codes:
        envoy["retriable_status_codes"] = codes
    if wanted.get("perTryTimeout"):
        envoy["per_try_timeout"] = duration(wanted["perTryTimeout"])
    return envoy


def duration(text: str) -> str:
    """Return a Go duration (`1m30s`) as protobuf's JSON wants it (`90s`)."""
    parts = re.findall(r"([0-9.]+)(ms|us|h|m|s)", text)
    return f"{sum(float(number) * _SECONDS[unit] for number, unit in parts):.9g}s"


def _outcome(route: Manifest, namespace: str, caller: Caller, catalog: Catalog) -> Manifest:
    """Return what becomes of a matching request."""
    if redirect := route.get("redirect"):
        return {"redirect": _redirect(redirect)}
    if response := route.get("directResponse"):
        body = (response.get("body") or {}).get("string", "")
        return {"direct_response": {"status": response["status"], "body": {"inline_string": body}}}
    return {"route": _forward(route, namespace, caller, catalog)}


def _forward(route: Manifest, namespace: str, caller: Caller, catalog: Catalog) -> Manifest:
    def cluster_of(destination: Manifest) -> str:
        return _cluster(destination, namespace, caller, catalog)

    action: dict[str, Any] = {
        **_targets(route.get("route") or (), cluster_of),
        "timeout": duration(route["timeout"]) if route.get("timeout") else "0s",
        **_rewrite(route.get("rewrite") or {}),
    }
    if policy := retries(route.get("retries")):
        action["retry_policy"] = policy
    if mirrors := [*_mirrors(route, cluster_of)]:
        action["request_mirror_policies"] = mirrors
    return action


def _targets(destinations: Sequence[Manifest], cluster_of: ClusterOf) -> Manifest:
    """Return one cluster or several weighted ones; a destination of weight 0 gets nothing."""
    weighted = [entry for entry in destinations if entry.get("weight") or len(destinations) == 1]
    if len(weighted) == 1 and not weighted[0].get("headers"):
        return {"cluster": cluster_of(weighted[0]["destination"])}
    clusters = [
        {
            "name": cluster_of(entry["destination"]),
            "weight": entry.get("weight") or 1,
            **_header_changes(entry),
        }
        for entry in weighted
    ]
    return {"weighted_clusters": {"clusters": clusters}}


def _cluster(destination: Manifest, namespace: str, caller: Caller, catalog: Catalog) -> str:
    """Name a destination's cluster: its own port, else the only one, else the one called."""
    host = catalog.host(destination["host"], namespace)
    service = catalog.services.get(host)
    chosen = (destination.get("port") or {}).get("number")
    if chosen is None and service is not None:
        only = len(service.ports) == 1 or caller.port is None
        port = service.port(None) if only else service.port(caller.port)
        chosen = port.number if port else None
    return cluster_name(host, chosen or caller.port or 0)


def _mirrors(route: Manifest, cluster_of: ClusterOf) -> Iterator[Manifest]:
    """Yield the policies that copy requests; copies pass the mirror listener to be counted."""
    single = {"destination": route.get("mirror"), "percentage": route.get("mirrorPercentage")}
    for mirror in [single, *(route.get("mirrors") or ())]:
        if mirror["destination"]:
            header = {"key": MIRROR_HEADER, "value": cluster_of(mirror["destination"])}
            yield {
                "cluster": MIRROR_CLUSTER,
                "runtime_fraction": {"default_value": _fraction(mirror.get("percentage"))},
                "request_headers_mutations": [
                    {"append": {"header": header, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}}
                ],
            }


def _rewrite(rewrite: Manifest) -> Manifest:
    action: dict[str, Any] = {}
    if pattern := rewrite.get("uriRegexRewrite"):
        action["regex_rewrite"] = {
            "pattern": {"regex": pattern["match"]},
            "substitution": pattern["rewrite"],
        }
    elif rewrite.get("uri"):
        action["prefix_rewrite"] = rewrite["uri"]
    if rewrite.get("authority"):
        action["host_rewrite_literal"] = rewrite["authority"]
    return action


def _redirect(redirect: Manifest) -> Manifest:
    codes = {
        301: "MOVED_PERMANENTLY",
        302: "FOUND",
        303: "SEE_OTHER",
        307: "TEMPORARY_REDIRECT",
        308: "PERMANENT_REDIRECT",
    }
    action: dict[str, Any] = {"response_code": codes[redirect.get("redirectCode") or 301]}
    if redirect.get("uri"):
        action["path_redirect"] = redirect["uri"]
    if redirect.get("authority"):
        action["host_redirect"] = redirect["authority"]
    return action


def _header_changes(entry: Manifest) -> Manifest:
    """Return the changes of headers that a route or a destination asks for."""
    changes: dict[str, Any] = {}
    for side in ("request", "response"):
        wanted = (entry.get("headers") or {}).get(side) or {}
        added = [
            *_header_options(wanted.get("set") or {}, "OVERWRITE_IF_EXISTS_OR_ADD"),
            *_header_options(wanted.get("add") or {}, "APPEND_IF_EXISTS_OR_ADD"),
        ]
        if added:
            changes[f"{side}_headers_to_add"] = added
        if wanted.get("remove"):
            changes[f"{side}_headers_to_remove"] = list(wanted["remove"])
    return changes


def _header_options(values: Manifest, action: str) -> list[Manifest]:
    return [
        {"header": {"key": key, "value": str(value)}, "append_action": action}
        for key, value in values.items()
    ]


def _faults(fault: Manifest) -> Manifest:
    """Return injected delays and aborts, as the fault filter's configuration of a route."""
    config: dict[str, Any] = {}
    if delay := fault.get("delay"):
        config["delay"] = {
            "fixed_delay": duration(delay["fixedDelay"]),
            "percentage": _fraction(delay.get("percentage")),
        }
    if abort := fault.get("abort"):
        config["abort"] = {
            "http_status": abort["httpStatus"],
            "percentage": _fraction(abort.get("percentage")),
        }
    if not config:
        return {}
    return {"typed_per_filter_config": {FAULT_FILTER: {"@type": _FAULT_TYPE, **config}}}


def _fraction(percentage: Manifest | None) -> Manifest:
    """Return Istio's percentage as parts of a million; none given means all."""
    percent = 100.0 if percentage is None else float(percentage.get("value", 0))
    return {"numerator": round(percent * 10_000), **_ONE_IN_A_MILLION}
