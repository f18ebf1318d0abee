"""Moments of a rollout that is played: when it begins, and what the status can tell of times."""

from datetime import datetime, timedelta

from canary_operator.domain.looks import next_slot, slot_of
from canary_operator.domain.spec import RolloutSpec
from canary_operator.plugin.offline.simulation.chance import Chance
from canary_operator.plugin.offline.simulation.setup import Setup
from canary_operator.testing.memory import START

BEFORE = timedelta(minutes=10)
"""How long stable serves, at least, before the rollout begins."""

MILLISECOND = timedelta(milliseconds=1)


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
    aligned = _earliest(setup) + (next_slot(first, analysis.interval) - first)
    return whole_milliseconds(aligned + late * slot_of(analysis.interval))


def whole_milliseconds(moment: datetime) -> datetime:
    """Return the next whole millisecond, which is what the status can tell."""
    rest = moment.microsecond % 1000
    return moment if rest == 0 else moment + timedelta(microseconds=1000 - rest)


def _earliest(setup: Setup) -> datetime:
    return START + setup.pod_start + BEFORE
