"""A world, an operator process with caches that may lag, and everything that can go wrong.

Nothing ticks but what a real scheduler would tick: an event that the caches have seen, a deadline,
a result of a check, or the pause after a failure.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from canary_operator.domain.errors import NotLeaderError
from canary_operator.ports import Key
from canary_operator.testing.builders import spec
from canary_operator.testing.memory import Killed, World
from canary_operator.testing.sight import KINDS, Watches
from tests.histories.invariants import BrokenInvariantError, abort_is_open, check_rest
from tests.histories.process import Process
from tests.histories.witness import Witness, reached

BUSY = 400
"""Ticks at one moment after which the operator is in a loop that never ends."""
PATIENCE = timedelta(seconds=25)
"""Time for a few more tries; twice the longest pause."""

Deed = Callable[[], None]


@dataclass(slots=True)
class Trap:
    """Something that happens at one of the next writes: it may raise, or change the world."""

    countdown: int
    deed: Deed
    after: bool = False
    """Whether the write is done first, so that only its answer is lost."""
    of: str | None = None
    """Only writes of that name count."""

    def springs(self, name: str, *, after: bool) -> bool:
        if after is not self.after or self.of not in {None, name}:
            return False
        self.countdown -= 1
        return self.countdown == 0


class Stage:
    """Where a history is played."""

    def __init__(self, census: Counter[str] | None = None, **changes: Any) -> None:
        self.world = World(key=Key("demo", "web"), spec=spec(**changes))
        self.metrics = changes.get("analysis", {}).get("metrics")
        """What every spec of this history has to measure, if not what it is by default."""
        self.census = Counter() if census is None else census
        self.witness = Witness(self.world)
        self.watches = self.watch()
        self.process = self.start()
        self.held_back: set[str] = set()
        self.outages: dict[str, Exception] = {}
        self.traps: list[Trap] = []
        self.pods_move = True
        self.deposed = False
        self._aborted_since: datetime | None = None
        self.world.before_write = self._before_write
        self.world.after_write = self._after_write

    def watch(self) -> Watches:
        """Begin to note what happens to the world."""
        return Watches(self.world)

    def start(self) -> Process:
        """Return a process with nothing in memory."""
        return Process(self.world, self.watches)

    # Writes.

    def _before_write(self, name: str) -> None:
        self.witness.tries(name, self.process.caches)
        self._spring(name, after=False)
        self.witness.looks()
        if self.deposed:
            raise NotLeaderError("another operator leads")
        if name in self.outages:
            raise self.outages[name]

    def _after_write(self, name: str) -> None:
        self.witness.done(name)
        self.watches.note()
        self.census.update(reached(self.witness.before, self.witness.moment()))
        if any(self.process.caches.behind(kind) for kind in self.held_back):
            self.census[f"write from stale caches in {self.phase}"] += 1
        self._spring(name, after=True)

    def _spring(self, name: str, *, after: bool) -> None:
        for trap in [trap for trap in self.traps if trap.springs(name, after=after)]:
            self.traps.remove(trap)
            trap.deed()

    def kill(self) -> None:
        """Die here; to be used in a trap."""
        self.census[f"kill in {self.phase}"] += 1
        raise Killed

    def depose(self) -> None:
        """Lose the Lease here: no write is begun any more."""
        self.census[f"new leader in {self.phase}"] += 1
        self.deposed = True

    @property
    def phase(self) -> Any:
        return self.witness.moment().status.phase

    # What others do.

    def changed(self) -> None:
        """Something changed that was not the operator's doing."""
        self.watches.note()

    def edit(self, **changes: Any) -> None:
        """Apply a changed spec."""
        if self.metrics and "analysis" in changes:
            changes["analysis"] = {**changes["analysis"], "metrics": self.metrics}
        if "template" in changes and changes["template"] != self.world.spec["template"]:
            self.witness.applied()
        if "strategy" in changes:
            self.witness.rewrote()
        self.world.edit(**changes)
        self.changed()

    def ask(self, request: str) -> None:
        """Set the request annotation."""
        self.witness.asked(request)
        self.world.ask(request)
        self.changed()

    def delete(self) -> None:
        """Delete the CanaryRollout."""
        self.world.delete()
        self.changed()

    def fail_pods(self, track: str, count: int, how: str) -> None:
        """Let pods `crash`, so that they start again, or be `lost` with their node."""
        deployment = self.world.deployments.get(track)
        if deployment is None:
            return
        deployment.seen = True  # whoever counts pods anew has seen the Deployment as well
        for pod in deployment.pods[:count]:
            pod.available, pod.created_at = False, self.world.now
            if how == "lost":
                deployment.pods.remove(pod)
        self.changed()

    def edit_weight(self, weight: int | None) -> None:
        """Change the router's object by hand."""
        if self.world.route.exists:
            self.world.route = replace(self.world.route, weight=weight)
        self.changed()

    # Time.

    async def restart(self) -> None:
        """Another process takes over, with nothing in memory."""
        await self.process.checks.stop()
        self.deposed = False
        self.process = self.start()

    def deliver(self) -> None:
        """Let all watches tell what they know, but those that are held back."""
        for kind in KINDS:
            if kind not in self.held_back and self.process.caches.tell(kind):
                self.process.wake()

    async def work(self) -> None:
        """Let operator and pods react to each other until both are at rest at this moment."""
        ticks = 0
        while True:
            self.deliver()
            if self.process.wants(self.world.now):
                ticks += 1
                if ticks > BUSY:
                    raise BrokenInvariantError("rest", f"no rest after {BUSY} ticks")
                await self._tick()
            elif not self._pods_move():
                break
        self._check_rest()

    async def _tick(self) -> None:
        self.witness.tick_begins()
        try:
            await self.process.tick(self.world.now)
        except Killed:
            await self.restart()
        if self.deposed:
            await self.restart()

    def _pods_move(self) -> bool:
        world = self.world
        moved = self.pods_move and (
            world.keep_bounds()
            or any(
                deployment.move(world.starts, world.now, world.pod_start)
                for deployment in world.deployments.values()
            )
        )
        if moved:
            self.watches.note()
        return moved

    @property
    def calm(self) -> bool:
        """Whether everything was told and nothing fails."""
        process = self.process
        behind = any(process.caches.behind(kind) for kind in KINDS)
        trouble = process.failures or process.ticker._troubles
        return not (behind or trouble or self.outages)

    def _check_rest(self) -> None:
        if self.calm:
            check_rest(self.witness.moment())
        self._check_abort()

    def _check_abort(self) -> None:
        """A person's abort is obeyed, whatever fails but the router itself."""
        moment, world = self.witness.moment(), self.world
        told = not self.held_back and "route" not in self.outages
        if not (told and abort_is_open(moment, world.request) and world.route.weight):
            self._aborted_since = None
            return
        self._aborted_since = self._aborted_since or world.now
        if world.now - self._aborted_since > PATIENCE:
            raise BrokenInvariantError("I3", f"{world.request} was not obeyed: {self.outages}")

    async def pass_time(self, seconds: float) -> None:
        """Let time pass from one thing that is due to the next."""
        end = self.world.now + timedelta(seconds=seconds)
        await self.work()
        while self.world.now < end:
            self.world.now = max(self.world.now, min(end, self._next_moment(end)))
            await self.work()

    def _next_moment(self, end: datetime) -> datetime:
        world, moments = self.world, [end]
        if self.process.due is not None:
            moments.append(self.process.due)
        if self.pods_move:
            starts = (
                deployment.next_start(world.starts, world.now, world.pod_start)
                for deployment in world.deployments.values()
            )
            moments += [moment for moment in starts if moment is not None]
        later = [moment for moment in moments if moment > world.now]
        return min(later)

    async def heal(self) -> None:
        """Everything that was broken works again, and everything is told."""
        world = self.world
        self.held_back.clear()
        self.outages.clear()
        self.traps.clear()
        world.broken.clear()
        self.pods_move, world.pod_start = True, timedelta()
        await self.work()
