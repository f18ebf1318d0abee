"""Changes of whose VirtualService is split that would leave something behind."""

from collections.abc import Mapping
from typing import Any

from canary_operator.domain.errors import InvalidSpecError, TrialUnderWayError


def check_reference(
    settings: Mapping[str, Any], recorded: Mapping[str, Any], *, splits: bool, under_way: bool
) -> None:
    """Refuse another VirtualService where the requests are split in the one before.

    Args:
        settings: Of the wanted spec, as written.
        recorded: Those of the newest record.
        splits: Whether a router has an object, or a canary is under way.
        under_way: Whether a canary is under way.

    Raises:
        InvalidSpecError: says what to do instead.
    """
    wanted, before = _reference_of(settings), _reference_of(recorded)
    if wanted == before:
        return
    if under_way:
        raise TrialUnderWayError(
            "spec.traffic.istio.virtualService may not change while a canary is under way: its "
            "requests are split in the one before. Abort or promote it first."
        )
    if splits and before is None:
        raise InvalidSpecError(
            "spec.traffic.istio.virtualService may not be added: the VirtualService that the "
            "operator made would stay and go on to route. Give the new way to a CanaryRollout of "
            "another name, or delete this one first."
        )


def _reference_of(settings: Mapping[str, Any]) -> Any:
    """Return what the settings say of a VirtualService of the user's, as written."""
    found: Any = settings
    for field in ("traffic", "istio", "virtualService"):
        found = found.get(field) if isinstance(found, Mapping) else None
    return found or None
