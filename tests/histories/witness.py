"""Sees every write of the operator and what truly happened, and holds one against the other."""

from collections.abc import Iterator

from canary_operator.domain.counts import Count, Tracks, View
from canary_operator.domain.phase import ON_TRIAL, Phase
from canary_operator.domain.readings import Readings
from canary_operator.domain.readings import Seen as Stretch
from canary_operator.domain.reasons import Reason
from canary_operator.domain.status import RolloutStatus, Verdict
from canary_operator.ports import Measure
from canary_operator.testing.memory import World
from canary_operator.testing.sight import TRACKS, Live, Sight
from tests.histories.facts import ACCEPTING, Facts, Moment, Seen, Write
from tests.histories.invariants import check_write

_BAD = {Verdict.PASS: 0, Verdict.FAIL: 50}


class Witness:
    """Knows the world from outside of the operator."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.facts = Facts()
        self.tried: list[str] = []
        self._read: tuple[object, RolloutStatus] | None = None
        self._done: list[str] = []
        self._seen: Seen | None = None
        self.before = self.moment()
        world.measured = self._measure

    def moment(self) -> Moment:
        """Return the world as it is now."""
        world = self.world
        if self._read is None or self._read[0] is not world.status:
            self._read = world.status, RolloutStatus.read(world.status)
        stable, canary = map(Live(world).track, TRACKS)
        return Moment(self._read[1], world.route, stable, canary)

    def _measure(self, measure: Measure) -> Readings:
        """Answer a check with the world's verdict, and remember that it was so."""
        verdict, about = self.world.verdict, measure.about
        self.facts.verdicts[about.at] = verdict
        if verdict is Verdict.FAIL:
            self.facts.failed.setdefault(self.moment().trial, set()).add(about.at)
            self.facts.waiting.clear()
        traffic = {}
        if verdict in _BAD:
            canary = Count(requests=100, bad=_BAD[verdict])
            traffic[View.PODS] = Tracks(stable=Count(requests=10_000), canary=canary)
        window = None if about.window is None else Stretch(about.window, traffic)
        queries = ((check.name, check.query) for check in measure.spec.analysis.metrics)
        answers = {name: self.world.answer(query) for name, query in queries if query}
        return Readings(about.at, window, answers=answers)

    def tick_begins(self) -> None:
        """Begin to collect the writes of another tick."""
        self.tried.clear()
        self._done.clear()
        self._seen = None

    def tries(self, name: str, sight: Sight) -> None:
        """The operator is about to write; at the first write it has just decided."""
        self.tried.append(name)
        if name not in ACCEPTING and self._seen is None:
            records = sorted(sight.records(), key=lambda record: -record.number)
            tracks = sight.track("stable"), sight.track("canary")
            self._seen = Seen(sight.rollout(), sight.route(), *tracks, tuple(records))

    def looks(self) -> None:
        """The write is sent now; what changed until here was not the operator."""
        self.before = self.moment()

    def done(self, name: str) -> None:
        """A write was done.

        Raises:
            BrokenInvariantError: it should not have been.
        """
        if self._seen is None:
            return
        write = Write(
            name,
            self.world.now,
            self.before,
            self.moment(),
            self._seen,
            tuple(self.tried),
            tuple(self._done),
            self.facts,
        )
        self._done.append(name)
        self._note(write)
        check_write(write)

    def _note(self, at: Write) -> None:
        before, after, facts = at.before, at.after, self.facts
        if at.name == "route" and before.route.rejected != after.route.rejected:
            facts.marked_in = before.trial if before.status.phase in ON_TRIAL else None
            if facts.marked_in and after.route.rejected == before.status.canary_revision:
                facts.rejected.add(after.route.rejected or "")
        if after.trial != before.trial and after.status.canary_revision:
            facts.baseline[after.trial] = at.seen.stable.replicas
        ended = before.status.phase in ON_TRIAL and after.status.phase is Phase.ROLLING_BACK
        rejected = after.status.rejected_revision
        if ended and rejected and before.route.rejected != rejected:  # else it was when marked
            facts.rejected.add(rejected)

        waits = {c.reason for c in after.status.conditions if c.type == "Paused"}
        if Reason.PROMOTION_REQUIRED in waits:
            facts.waiting.add(after.stay)

    def asked(self, request: str) -> None:
        """A person made a request."""
        self.facts.asked.add(request)
        if request.startswith("retry"):
            self.facts.rejected.clear()

    def unmarked(self) -> None:
        """Somebody deletes the route, and so the mark of a rollback that nobody could record yet.

        Then nobody knows of it: the checks begin anew, and a person may promote before they fail.
        """
        moment = self.moment()
        if moment.route.rejected != moment.status.rejected_revision:
            self.facts.rejected.discard(moment.route.rejected or "")

    def rewrote(self) -> None:
        """A person edited the strategy."""
        self.facts.waiting.clear()

    def applied(self) -> None:
        """A person applied another template."""
        self.facts.rejected.clear()


def reached(before: Moment, after: Moment) -> Iterator[str]:
    """Say what a write brought, for the count of what histories reach."""
    if before.status.phase is not after.status.phase:
        yield f"phase {after.status.phase}"
    if len(after.status.history) > len(before.status.history):
        newest = after.status.history[0]
        yield f"{newest.outcome}: {newest.reason}"
    if (after.route.weight or 0) > (before.route.weight or 0):
        yield "raise"
