"""What follows when another template is wanted, by the operator's own rules."""

from canary_operator.domain.phase import IN_STEPS, Phase
from canary_operator.domain.words import sentences
from canary_operator.plugin.sight import Sight


def consequence(sight: Sight, revision: str) -> str:
    """Return what happens when `revision` is what the rollout asks for.

    Args:
        sight: The rollout as it is.
        revision: Of the template that is going to be wanted.
    """
    spec = sight.spec
    paused = spec is not None and spec.paused and revision != sight.status.stable_revision
    words = [_consequence(sight, revision)]
    return sentences([*words, "spec.paused is true: its weight is not raised"] if paused else words)


def _consequence(sight: Sight, revision: str) -> str:
    status = sight.status
    if status.phase is None:
        return f"Revision {revision} begins as soon as the operator looks at {sight.name}"
    if revision == status.stable_revision:
        return _back_to_stable(sight, revision)
    if revision == status.rejected_revision:
        return f"Revision {revision} was rolled back and is not tried again before a retry"
    if revision == status.canary_revision:
        return f"Revision {revision} is the canary already and goes on"
    return _next(sight, revision)


def _back_to_stable(sight: Sight, revision: str) -> str:
    canary = sight.status.canary_revision
    match sight.status.phase:
        case phase if phase in IN_STEPS:
            return (
                f"Revision {revision} is stable: all traffic goes back to it at once, and canary "
                f"{canary} is given up"
            )
        case Phase.PROMOTING:
            return (
                f"Revision {revision} is stable: the promotion of canary {canary} ends, and "
                "stable is set back"
            )
        case Phase.INITIALIZING:
            return f"Revision {revision} is the first one and is coming up already"
        case _:
            return f"Revision {revision} is stable: it serves everything, and nothing moves"


def _next(sight: Sight, revision: str) -> str:
    status = sight.status
    first = f", first with {sight.steps[0].weight} %" if sight.steps else ""
    match status.phase:
        case Phase.INITIALIZING:
            return f"Revision {revision} takes the place of the first one, which did not serve yet"
        case Phase.PROMOTING:
            return (
                f"Revision {revision} goes on trial when the promotion of "
                f"{status.canary_revision} has ended"
            )
        case Phase.ROLLING_BACK:
            return f"Revision {revision} goes on trial when the roll back has ended"
        case phase if phase in IN_STEPS:
            return (
                f"Revision {revision} takes the place of canary {status.canary_revision} and "
                f"begins at the first step{first}"
            )
        case _:
            return f"Revision {revision} goes on trial against {status.stable_revision}{first}"
