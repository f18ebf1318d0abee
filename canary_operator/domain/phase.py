"""The life of a rollout as one table: what is not in it cannot happen."""

from collections.abc import Mapping
from enum import StrEnum


class Phase(StrEnum):
    """Where a rollout stands; a summary for people, the conditions carry the detail."""

    INITIALIZING = "Initializing"
    """The first revision is coming up; there is nothing to compare it with."""
    STABLE = "Stable"
    """Stable is what the spec asks for."""
    PROGRESSING = "Progressing"
    """The canary takes its share, step by step."""
    PAUSED = "Paused"
    """A person, an approval step or the spec stops raises; everything else goes on."""
    PROMOTING = "Promoting"
    """Stable is being rolled to the canary's template."""
    ROLLING_BACK = "RollingBack"
    """Traffic is back on stable, which is being set back if it was touched."""
    ROLLED_BACK = "RolledBack"
    """The wanted revision was rejected; stable serves everything."""


class Trigger(StrEnum):
    """What may move a rollout from one phase to another."""

    STABLE_AVAILABLE = "stable available"
    NEW_REVISION = "new revision"
    PAUSED = "paused"
    RESUMED = "resumed"
    STEPS_PASSED = "steps passed"
    PROMOTE_REQUESTED = "promote requested"
    FAILED = "failed"
    ABORT_REQUESTED = "abort requested"
    REVERTED = "reverted"
    STABLE_UPDATED = "stable updated"
    STABLE_RESTORED = "stable restored"
    WANTED_AGAIN = "another revision wanted"
    RETRY_REQUESTED = "retry requested"


_IN_STEPS: Mapping[Trigger, Phase] = {
    Trigger.NEW_REVISION: Phase.PROGRESSING,  # start again at the first step
    Trigger.REVERTED: Phase.STABLE,
    Trigger.STEPS_PASSED: Phase.PROMOTING,
    Trigger.PROMOTE_REQUESTED: Phase.PROMOTING,
    Trigger.FAILED: Phase.ROLLING_BACK,
    Trigger.ABORT_REQUESTED: Phase.ROLLING_BACK,
}

TRANSITIONS: Mapping[Phase, Mapping[Trigger, Phase]] = {
    Phase.INITIALIZING: {
        Trigger.NEW_REVISION: Phase.INITIALIZING,  # nothing serves yet, so nothing is at risk
        Trigger.STABLE_AVAILABLE: Phase.STABLE,
    },
    Phase.STABLE: {Trigger.NEW_REVISION: Phase.PROGRESSING},
    Phase.PROGRESSING: {**_IN_STEPS, Trigger.PAUSED: Phase.PAUSED},
    Phase.PAUSED: {**_IN_STEPS, Trigger.RESUMED: Phase.PROGRESSING},
    Phase.PROMOTING: {  # a newer template waits for the end of it
        Trigger.STABLE_UPDATED: Phase.STABLE,
        Trigger.REVERTED: Phase.ROLLING_BACK,
        Trigger.FAILED: Phase.ROLLING_BACK,
        Trigger.ABORT_REQUESTED: Phase.ROLLING_BACK,
    },
    Phase.ROLLING_BACK: {
        Trigger.STABLE_RESTORED: Phase.ROLLED_BACK,
        Trigger.WANTED_AGAIN: Phase.STABLE,  # nothing that is wanted now was rejected
    },
    Phase.ROLLED_BACK: {
        Trigger.RETRY_REQUESTED: Phase.PROGRESSING,
        Trigger.NEW_REVISION: Phase.PROGRESSING,
        Trigger.REVERTED: Phase.STABLE,
    },
}

IN_STEPS = frozenset({Phase.PROGRESSING, Phase.PAUSED})
"""Phases in which the canary climbs the steps."""

ON_TRIAL = IN_STEPS | {Phase.PROMOTING}
"""Phases in which a revision is judged and can still be rejected."""

UNDER_WAY = ON_TRIAL | {Phase.ROLLING_BACK}
"""Phases in which a rollout has not ended."""


def next_phase(phase: Phase, trigger: Trigger) -> Phase:
    """Return the phase that `trigger` leads to.

    Raises:
        KeyError: the table has no such transition; a rule that asks for it is wrong.
    """
    return TRANSITIONS[phase][trigger]
