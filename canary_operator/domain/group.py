"""Whose requests a canary gets a share of: that may not change while it keeps some."""

from collections.abc import Mapping
from typing import Any

from canary_operator.domain.errors import TrialUnderWayError
from canary_operator.domain.phase import Phase
from canary_operator.domain.status import RolloutStatus

_ON_STEPS = (
    "while a canary is on trial: it would get other requests than those that its checks were "
    "about. Abort or promote it before, or change spec.template as well, which begins at the first "
    "step."
)
_WAYS_ON: Mapping[Phase | None, str] = {
    Phase.PROGRESSING: _ON_STEPS,
    Phase.PAUSED: _ON_STEPS,
    Phase.PROMOTING: (
        "while a canary is promoted: it keeps its share until stable is updated. The new spec is "
        "followed after that; to have it sooner, abort."
    ),
    Phase.ROLLING_BACK: (
        "while a rejected canary keeps its share: stable has no ready pod to take it back. The new "
        "spec is followed when it has."
    ),
}


def check_group(
    settings: Mapping[str, Any],
    revision: str,
    status: RolloutStatus,
    on_trial: Mapping[str, Any],
) -> None:
    """Refuse another `strategy.match` while it would give a canary other requests.

    Args:
        settings: Of the wanted spec, as written.
        revision: Of the wanted spec.
        status: What is recorded.
        on_trial: Settings that the canary was accepted with.

    Raises:
        TrialUnderWayError: says what to do instead.
    """
    if _match_of(settings) != _match_of(on_trial):
        check_share_ends("spec.strategy.match", revision, status)


def check_share_ends(field: str, revision: str, status: RolloutStatus) -> None:
    """Refuse another value of `field` where a canary would keep its share of other requests.

    Args:
        field: What is to change; it says whose requests are split.
        revision: Of the wanted spec.
        status: What is recorded.

    Raises:
        TrialUnderWayError: says what to do instead.
    """
    if keeps_share(revision, status):
        raise TrialUnderWayError(f"{field} may not change {_WAYS_ON[status.phase]}")


def keeps_share(revision: str, status: RolloutStatus) -> bool:
    """Whether a canary would keep its share under the wanted spec.

    On its steps it loses that to any other revision at once; while it is promoted only stable's
    own revision, applied again, takes it.
    """
    match status.phase:
        case Phase.PROGRESSING | Phase.PAUSED:
            return revision == status.canary_revision
        case Phase.PROMOTING:
            return revision != status.stable_revision
        case Phase.ROLLING_BACK:
            return (status.weight or 0) > 0
        case _:
            return False


def _match_of(settings: Mapping[str, Any]) -> Any:
    strategy = settings.get("strategy")
    return (strategy.get("match") or None) if isinstance(strategy, Mapping) else None
