"""VirtualServices beside the rollout's own: two for one host merge in no useful way."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from canary_operator.domain.objects import KIND
from canary_operator.domain.situation import Settings
from canary_operator.plugin.offline.documents import Document
from canary_operator.plugin.offline.lint.findings import Severity
from canary_operator.plugin.offline.lint.neighbours import Told, neighbours
from canary_operator.plugin.offline.lint.rules import Candidate, Note, Rule, Together, TogetherRule

MESH = "mesh"
"""Istio's name for all sidecars."""

Claim = tuple[str, str]
"""Gateway and host, in full."""


def claimed_hosts(at: Together) -> Iterator[Told]:
    """A host that another VirtualService routes on the same gateway is refused."""
    candidates = {id(candidate.document): candidate for candidate in at.rollouts}
    for rollout, other in neighbours(at):
        if other.kind != "VirtualService" or other.name == rollout.name:
            continue
        both = sorted(_wanted(candidates[id(rollout)]) & _routed(other))
        if both:
            claims = ", ".join(_words_for(*claim, rollout) for claim in both)
            yield (
                other,
                Note(
                    ("spec", "hosts"),
                    f"VirtualService {other.name} routes {claims}, and so does {KIND} "
                    f"{rollout.name} ({rollout.file}:{rollout.line}), which is refused as a "
                    "HostConflict.",
                    "Remove it in one of them.",
                ),
            )


def _words_for(gateway: str, host: str, rollout: Document) -> str:
    short = host.removesuffix(_suffix(rollout))
    return short if gateway == MESH else f"{short} of gateway {gateway}"


def _wanted(rollout: Candidate) -> set[Claim]:
    if rollout.spec is not None and rollout.spec.traffic.virtual_service is not None:
        return set()  # that VirtualService is the user's, and says itself what it routes
    istio = rollout.spec.traffic.istio if rollout.spec else None
    hosts, gateways = (istio.hosts, istio.gateways) if istio else ((), ())
    return _claims(rollout.document, [rollout.document.name, *hosts], [MESH, *gateways])


def _routed(service: Document) -> set[Claim]:
    spec = (service.raw or {}).get("spec")
    fields: Mapping[str, Any] = spec if isinstance(spec, Mapping) else {}
    return _claims(service, _words(fields.get("hosts")), _words(fields.get("gateways")) or [MESH])


def _words(several: Any) -> list[str]:
    return [one for one in several if isinstance(one, str)] if isinstance(several, list) else []


def _claims(document: Document, hosts: Iterable[str], gateways: Iterable[str]) -> set[Claim]:
    suffix = _suffix(document)
    full_hosts = {host if "." in host else f"{host}{suffix}" for host in hosts}
    own = {one if one == MESH or "/" in one else f"{document.namespace}/{one}" for one in gateways}
    return {(gateway, host) for gateway in own for host in full_hosts}


def _suffix(document: Document) -> str:
    return f".{document.namespace}.svc.{Settings().cluster_domain}"


ROUTE_RULES: tuple[TogetherRule, ...] = (Rule("host-conflict", Severity.ERROR, claimed_hosts),)
