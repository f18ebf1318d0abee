"""Which earlier template a person goes back to, and the patch for it."""

from collections.abc import Sequence
from dataclasses import dataclass

from canary_operator.adapters.cluster.answers import Manifest
from canary_operator.adapters.cluster.errors import NotFoundError, RejectedError
from canary_operator.adapters.cluster.resources import ROLLOUTS
from canary_operator.domain.errors import ConflictError
from canary_operator.domain.revision import revision_of
from canary_operator.domain.status import HistoryEntry, Outcome
from canary_operator.plugin.exits import Exit, PluginError
from canary_operator.plugin.live.access import Cluster
from canary_operator.plugin.live.images import TEMPLATE, template_of
from canary_operator.plugin.live.records import Record
from canary_operator.plugin.live.rollouts import find
from canary_operator.plugin.sight import Sight


@dataclass(frozen=True, slots=True)
class Undo:
    """Where to go back to."""

    record: Record
    present: str
    """Revision that is wanted now."""
    rolled_back: HistoryEntry | None = None
    """How it went the last time, if it was rolled back."""

    @property
    def needed(self) -> bool:
        """Whether it is another template than the present one."""
        return self.record.revision != self.present


def undo_target(sight: Sight, records: Sequence[Record], to: str | None = None) -> Undo:
    """Return where to go back to.

    Without `to`: to stable where something else is wanted; else to what was stable before, as far
    as the history tells; else to the newest revision that was not rolled back.

    Args:
        sight: The rollout.
        records: Its revisions, newest first.
        to: A revision, or the beginning of one.

    Raises:
        PluginError: there is nothing to go back to.
    """
    present = revision_of(template_of(sight))
    if to is not None:
        record = _named(sight, records, to)
    elif present != sight.status.stable_revision:
        record = _stable(sight, records)
    else:
        record = _before_stable(sight, records)
    return Undo(record, present, last_rollback(sight, record.revision))


class UnknownRevisionError(PluginError):
    """There is no record of the revision that was named."""


def _named(sight: Sight, records: Sequence[Record], to: str) -> Record:
    found = [record for record in records if record.revision.startswith(to)]
    if not found:
        message = f"{sight.name} has no record of revision {to}"
        raise UnknownRevisionError(message, code=Exit.FAILED)
    if len(found) > 1:
        known = ", ".join(record.revision for record in found)
        message = f"{to} is the beginning of several revisions: {known}"
        raise UnknownRevisionError(message, code=Exit.FAILED)
    return found[0]


def _stable(sight: Sight, records: Sequence[Record]) -> Record:
    stable = sight.status.stable_revision
    if stable is None:
        raise _nothing(sight, "the operator has not looked at it yet, so nothing is stable")
    found = next((record for record in records if record.revision == stable), None)
    if found is None:
        raise _nothing(sight, f"the record of stable revision {stable} is gone")
    return found


def _before_stable(sight: Sight, records: Sequence[Record]) -> Record:
    status = sight.status
    others = [record for record in records if record.revision != status.stable_revision]
    kept = [record for record in others if last_rollback(sight, record.revision) is None]
    by_revision = {record.revision: record for record in kept}
    promoted = [one.revision for one in status.history if one.outcome is Outcome.PROMOTED]
    tried = {one.revision for one in status.history}
    candidates = (
        *(by_revision[one] for one in promoted if one in by_revision),
        *(record for record in kept if record.revision not in tried),  # such as the first one
        *kept,  # superseded or reverted
    )
    if candidates:
        return candidates[0]
    reason = "every other revision was rolled back" if others else "there is no other revision"
    raise _nothing(sight, reason)


def _nothing(sight: Sight, reason: str) -> PluginError:
    return PluginError(f"{sight.name} has nothing to go back to: {reason}", code=Exit.FAILED)


def last_rollback(sight: Sight, revision: str) -> HistoryEntry | None:
    """Return how a revision was rolled back, if that is how it ended the last time."""
    ends = (entry for entry in sight.status.history if entry.revision == revision)
    latest = next(ends, None)
    return latest if latest and latest.outcome is Outcome.ROLLED_BACK else None


async def go_back(cluster: Cluster, sight: Sight, undo: Undo) -> None:
    """Write the earlier template, if the present one is still as it was seen.

    Raises:
        PluginError: somebody else changed it meanwhile, or the server does not take it.
    """
    operations: list[Manifest] = [
        {"op": "test", "path": "/metadata/uid", "value": sight.uid},
        {"op": "test", "path": TEMPLATE, "value": template_of(sight)},
        *_stable_is(sight),
        {"op": "replace", "path": TEMPLATE, "value": undo.record.template},
    ]
    while True:
        try:
            await cluster.patch(ROLLOUTS, sight.namespace, sight.name, operations)
        except (ConflictError, NotFoundError, RejectedError) as error:
            now = await find(cluster, sight.name)
            _check_same(sight, now)
            if isinstance(error, RejectedError):
                message = f"The API server refuses: {error.message}"
                raise PluginError(message, code=Exit.FAILED) from None
        else:
            return


def _stable_is(sight: Sight) -> list[Manifest]:
    """Return the condition that what was foretold rests on: which revision is stable."""
    found = (sight.raw.get("status") or {}).get("stableRevision")
    return [{"op": "test", "path": "/status/stableRevision", "value": found}] if found else []


def _check_same(before: Sight, now: Sight) -> None:
    if now.uid != before.uid or template_of(now) != template_of(before):
        raise PluginError(
            f"The template of {now.name} was changed by somebody else meanwhile",
            "Nothing was changed; look again.",
            Exit.FAILED,
        )
    if now.status.stable_revision != before.status.stable_revision:
        raise PluginError(
            f"Revision {now.status.stable_revision} of {now.name} became stable meanwhile",
            "Nothing was changed; look again.",
            Exit.FAILED,
        )
