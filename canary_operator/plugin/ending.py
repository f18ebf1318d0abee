"""How following a rollout ends: an exit code, and a sentence where another revision came out."""

from canary_operator.domain.status import Outcome
from canary_operator.plugin.exits import Exit, PluginError
from canary_operator.plugin.sight import End, Sight


def exit_code(sight: Sight, wanted: str | None, *, patient: bool = False) -> Exit:
    """Return the exit code for a rollout as it stands.

    Args:
        sight: How it looks now.
        wanted: The revision that was wanted when somebody began to look; None for any.
        patient: Whether its end was waited for.
    """
    match sight.end:
        case None:
            return Exit.TIMEOUT if patient else Exit.UNDER_WAY
        case End.SERVING:
            return Exit.DONE if wanted in {None, sight.status.stable_revision} else Exit.FAILED
        case _:
            return Exit.FAILED


def check_still_wanted(sight: Sight, wanted: str | None) -> None:
    """Say so where another revision serves than the one that was wanted at the beginning.

    Raises:
        PluginError: it was reverted or superseded.
    """
    serves = sight.status.stable_revision
    if sight.end is not End.SERVING or wanted in {None, serves}:
        return
    ends = (entry for entry in sight.status.history if entry.revision == wanted)
    latest = next(ends, None)
    what = {Outcome.REVERTED: "was reverted", Outcome.SUPERSEDED: "was superseded"}
    words = what.get(latest.outcome, "is not wanted any more") if latest else "never began"
    raise PluginError(
        f"{sight.namespace}/{sight.name}: revision {wanted} {words}; {serves} serves everything",
        code=Exit.FAILED,
    )
