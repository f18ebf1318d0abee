"""Moments of a rollout that is played: when it begins, and what the status can tell of times."""

from datetime import UTC, datetime, timedelta

from canary_operator.domain.looks import slot_of
from canary_operator.domain.spec import RolloutSpec
from canary_operator.plugin.offline.simulation.chance import Chance
from canary_operator.plugin.offline.simulation.setup import Setup
from canary_operator.testing.memory import START

BEFORE = timedelta(minutes=10)
"""How long stable serves, at least, before the rollout begins."""

MILLISECOND = timedelta(milliseconds=1)

_GRID = datetime(2000, 1, 1, tzinfo=UTC)
"""A moment at which checks of every interval are made; see `domain.looks`."""


def any_start(setup: Setup, spec: RolloutSpec, chance: Chance) -> datetime:
    """Return when a rollout begins: anywhere between the moments at which checks are made."""
    milliseconds = round(chance.uniform() * (spec.analysis.interval / MILLISECOND))
    return _earliest(setup) + milliseconds * MILLISECOND


def aligned_start(setup: Setup, spec: RolloutSpec, late: float) -> datetime:
    """Return a beginning from which no first check waits for its moment, if pods start at once.

    Args:
        setup: What is played.
        spec: The same, typed.
        late: By how much later it begins: a share of the time between such moments.
    """
    analysis = spec.analysis
    window = analysis.resolved_window(setup.scrape_interval)
    first = _earliest(setup) + (analysis.interval if analysis.comparison else window)
    slot = slot_of(analysis.interval)
    return whole_milliseconds(_earliest(setup) + (_GRID - first) % slot + late * slot)


def whole_milliseconds(moment: datetime) -> datetime:
    """Return the next whole millisecond, which is what the status can tell."""
    rest = moment.microsecond % 1000
    return moment if rest == 0 else moment + timedelta(microseconds=1000 - rest)


def _earliest(setup: Setup) -> datetime:
    return START + setup.pod_start + BEFORE
