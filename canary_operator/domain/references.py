"""Changes of whose VirtualService is split that would leave something behind."""

from collections.abc import Iterator, Mapping
from typing import Any

from canary_operator.domain.acceptance import NOT_SETTINGS
from canary_operator.domain.errors import InvalidSpecError
from canary_operator.domain.group import check_share_ends, keeps_share
from canary_operator.domain.loans import VIRTUAL_SERVICE, loans_of
from canary_operator.domain.phase import ON_TRIAL, Phase
from canary_operator.domain.spec import IstioTraffic, RolloutSpec, VirtualServiceReference
from canary_operator.domain.status import RolloutStatus


def check_reference(
    settings: Mapping[str, Any],
    revision: str,
    status: RolloutStatus,
    recorded: Mapping[str, Any],
    *,
    splits: bool,
) -> None:
    """Refuse another VirtualService while a canary keeps its share in the one before.

    A spec that ends the trial is never refused for it: a version that somebody takes back must not
    go on because the same edit names another VirtualService.

    Args:
        settings: Of the wanted spec, as written.
        revision: Of the wanted spec.
        status: What is recorded.
        recorded: Settings of the newest record.
        splits: Whether a router has an object, or a canary is under way.

    Raises:
        InvalidSpecError: says what to do instead.
    """
    wanted, before = reference_of(settings), reference_of(recorded)
    if wanted == before:
        return
    check_share_ends("spec.traffic.istio.virtualService", revision, status)
    if splits and before is None:
        raise InvalidSpecError(
            "spec.traffic.istio.virtualService may not be added: the VirtualService that the "
            "operator made would stay and go on to route. Give the new way to a CanaryRollout of "
            "another name, or delete this one first."
        )


def takes_back(revision: str, status: RolloutStatus) -> bool:
    """Whether a spec asks for stable's own version while another one is on trial."""
    return status.phase in ON_TRIAL and revision == status.stable_revision


def on_route_before(
    raw: Mapping[str, Any], recorded: Mapping[str, Any]
) -> Iterator[dict[str, Any]]:
    """Yield what is left of a spec without its route, which is refused: the best comes first.

    Args:
        raw: The spec, as written.
        recorded: Settings of the newest record, whose route stays.
    """
    route = {field: recorded[field] for field in ("traffic",) if field in recorded}
    yield {field: value for field, value in raw.items() if field != "traffic"} | route
    yield {field: raw[field] for field in NOT_SETTINGS if field in raw} | dict(recorded)


def where_the_share_is(spec: RolloutSpec, revision: str, status: RolloutStatus) -> RolloutSpec:
    """Return the spec with the VirtualService in which a share that ends is still split.

    The one that the spec names is followed as soon as the canary's weight in this one is 0. Which
    it is stands in the status, as what was borrowed last.
    """
    ends = status.phase is Phase.ROLLING_BACK or not keeps_share(revision, status)
    borrowed = [loan for loan in status.borrowed or () if loan.kind == VIRTUAL_SERVICE]
    if not status.weight or not ends or not borrowed:
        return spec
    name = borrowed[-1].name
    parts = tuple(loan.part for loan in borrowed if loan.name == name)
    wanted = {(loan.name, loan.part) for loan in loans_of(spec) if loan.kind == VIRTUAL_SERVICE}
    if wanted == {(name, part) for part in parts}:
        return spec
    routes = tuple(part for part in parts if part is not None)
    reference = VirtualServiceReference(name=name, routes=routes)
    istio = (spec.traffic.istio or IstioTraffic()).model_copy(update={"virtual_service": reference})
    traffic = spec.traffic.model_copy(update={"istio": istio, "replicas": None})
    return spec.model_copy(update={"traffic": traffic})


def reference_of(settings: Mapping[str, Any]) -> Any:
    """Return what the settings say of a VirtualService of the user's, as written."""
    found: Any = settings
    for field in ("traffic", "istio", "virtualService"):
        found = found.get(field) if isinstance(found, Mapping) else None
    return found or None


def route_settings_of(settings: Mapping[str, Any]) -> tuple[object, ...]:
    """Return what a router makes its objects from."""
    strategy = settings.get("strategy")
    focus = strategy.get("match") if isinstance(strategy, Mapping) else None
    return settings.get("traffic"), settings.get("service"), focus
