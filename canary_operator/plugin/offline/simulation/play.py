"""Plays one rollout: the real engine, a world in memory, and a clock that jumps.

The version before comes up and serves; then the template of the manifest is applied. From there on
time goes from one moment to the next at which the engine, a pod or the scenario has something to
do, and the requests in between are drawn at once.
"""

import asyncio
import logging
from dataclasses import replace
from datetime import datetime, timedelta

from canary_operator.domain.objects import STABLE
from canary_operator.domain.phase import Phase
from canary_operator.domain.reasons import Reason
from canary_operator.domain.revision import revision_of
from canary_operator.domain.spec import RolloutSpec
from canary_operator.engine.tick import Next
from canary_operator.plugin.offline.simulation.chance import Chance
from canary_operator.plugin.offline.simulation.clock import (
    BEFORE,
    MILLISECOND,
    aligned_start,
    any_start,
    whole_milliseconds,
)
from canary_operator.plugin.offline.simulation.ending import (
    end_of,
    hurt_by,
    is_over,
    patience,
    standing,
)
from canary_operator.plugin.offline.simulation.recorder import Recorder
from canary_operator.plugin.offline.simulation.scenario import Event, Scenario, fitted
from canary_operator.plugin.offline.simulation.setup import (
    Setup,
    assumed_answers,
    examine,
    is_timed,
    uncounted,
)
from canary_operator.plugin.offline.simulation.stage import Conditions, Reached, Stage
from canary_operator.plugin.offline.simulation.telemetry import Telemetry
from canary_operator.plugin.offline.simulation.timeline import Approved, Begun, Over, Timeline
from canary_operator.plugin.offline.simulation.traffic import (
    Counters,
    Kinds,
    Prometheus,
    taken,
)
from canary_operator.ports import Key
from canary_operator.testing.driver import Driver
from canary_operator.testing.memory import World

logging.getLogger("canary_operator.engine").addHandler(logging.NullHandler())

SEED = 0
"""What chance begins with, where nobody says."""


def simulate(
    setup: Setup, seed: int = SEED, *, brief: bool = False, late: float | None = None
) -> Timeline:
    """Play one rollout.

    Args:
        setup: What is played.
        seed: Of everything that chance decides; the same one gives the same timeline.
        brief: Whether only the end matters; then it is not played to its rest.
        late: How long after a moment from which no first check has to wait for its slot it
            begins, as a share of a slot; then Prometheus knows everything at once. Left out,
            chance says when it begins and when Prometheus scrapes.

    Raises:
        PluginError: the operator would refuse the spec, or the scenario does not fit it.
    """
    return asyncio.run(play(setup, seed, brief=brief, late=late))


async def play(
    setup: Setup, seed: int = SEED, *, brief: bool = False, late: float | None = None
) -> Timeline:
    """Play one rollout as `simulate` does, in the event loop that is running."""
    return await _Play(setup, seed, brief=brief, late=late).run()


class _Play:
    """One rollout and everything around it."""

    def __init__(self, setup: Setup, seed: int, *, brief: bool, late: float | None) -> None:
        self.spec: RolloutSpec = examine(setup)
        scenario = replace(setup.scenario, events=self._events(setup.scenario))
        self.setup, self.seed, self.brief = replace(setup, scenario=scenario), seed, brief
        self.chance = Chance(seed)
        self.world = World(Key(setup.namespace, setup.name), setup.stable_spec)
        self.world.pod_start = setup.pod_start
        self.driver = Driver(self.world, setup.settings)
        self.stage = Stage(scenario)
        if late is None:
            self.started = any_start(setup, self.spec, self.chance)
        else:
            self.started = aligned_start(setup, self.spec, late)
        self.since = self.started
        scrapes = setup.scrape_interval if late is None else MILLISECOND
        self.telemetry = self._telemetry(scrapes)
        self.world.measured = self.telemetry.read
        self.revision = revision_of(self.spec.template.raw)
        self.approval_at: datetime | None = None

    async def run(self) -> Timeline:
        """Play it to its end."""
        await self._bring_up()
        self.recorder = Recorder(self.world, self.started)
        self.world.edit(template=self.setup.spec["template"])
        self._follow_scenario()
        following = await self._react()
        here = standing(self.world.status)
        while not is_over(self.world.status, brief=self.brief):
            moment = self._next_moment(following)
            if moment is None or moment - self.since > patience(self.spec, self._phase):
                break
            following = await self._jump(moment)
            if standing(self.world.status) != here or self._awaits_something:
                here, self.since = standing(self.world.status), self.world.now
        return self._timeline()

    def _events(self, scenario: Scenario) -> tuple[Event, ...]:
        return fitted(scenario.events, len(self.spec.strategy.resolved_steps))

    def _telemetry(self, scrapes: timedelta) -> Telemetry:
        kinds = Kinds(timed=is_timed(self.spec))
        interval = max(1, scrapes // MILLISECOND)
        counters = Counters(self.chance, -(BEFORE // MILLISECOND), kinds.size)
        first = round(self.chance.uniform() * interval)
        prometheus = Prometheus(counters, kinds, interval, first)
        return Telemetry(self.chance, self.spec, self.started, prometheus, self.stage.conditions)

    async def _bring_up(self) -> None:
        """Let the version before come up and serve for a while."""
        await self.driver.work()
        while (moment := self.driver.next_pod_at()) is not None:
            self.world.now = moment
            await self.driver.work()
        self.telemetry.pass_time(self.started, 0, 0.0)
        self.world.now = self.started
        await self.driver.work()

    # Time.

    def _next_moment(self, following: Next) -> datetime | None:
        scene = self.stage.next_at(self._elapsed)
        moments = (
            following.at,
            self.driver.next_pod_at(),
            self.approval_at,
            None if scene is None else self.started + scene,
        )
        earliest = min((moment for moment in moments if moment is not None), default=None)
        return None if earliest is None else whole_milliseconds(earliest)

    async def _jump(self, moment: datetime) -> Next:
        """Let time pass, in which nothing changes, and then let everybody react."""
        self.telemetry.pass_time(moment, self.world.route.weight or 0, self._promoted)
        self.world.now = moment
        self._follow_scenario()
        return await self._react()

    async def _react(self) -> Next:
        """Let the engine, the pods and the people of the scenario react until all are at rest."""
        while True:
            following = await self.driver.work()
            self.recorder.take_notices()
            if not (self._follow_scenario() or self._approve()):
                return following

    # Surroundings.

    def _follow_scenario(self) -> bool:
        """Let what is due begin or end; return whether the engine may have an opinion on it."""
        attempt = self.world.status.get("attempt") or {}
        reached = (self.world.status.get("step") or 0) + 1 if attempt.get("stepWeight") else 0
        promoting = self._phase == Phase.PROMOTING
        begun, over = self.stage.advance(Reached(self._elapsed, reached, promoting))
        for event in over:
            self.recorder.note(Over(self._elapsed, event))
        for event in begun:
            self.recorder.note(Begun(self._elapsed, event))
            if event.request is not None:
                self.world.ask(event.request)
        if begun or over:
            self._change(self.stage.conditions)
        return bool(begun or over)

    def _change(self, conditions: Conditions) -> None:
        """Let other conditions hold from now on."""
        crashed = self.revision in self.world.broken
        self.telemetry.change(conditions, self.world.now)
        pods = [pod for one in self.world.deployments.values() for pod in one.pods]
        new = [pod for pod in pods if pod.revision == self.revision]
        if conditions.crash and not crashed:
            self.world.broken.add(self.revision)
            for pod in new:
                pod.available = False
        elif crashed and not conditions.crash:
            self.world.broken.discard(self.revision)
            for pod in new:
                pod.created_at = self.world.now

    def _approve(self) -> bool:
        """Let a person approve a step, or the promotion, that waits for it, after a while."""
        patience_, now = self.setup.scenario.approve_after, self.world.now
        conditions = self.world.status.get("conditions") or ()
        reasons = {one["reason"] for one in conditions}
        awaited = reasons & {Reason.APPROVAL_REQUIRED, Reason.PROMOTION_REQUIRED}
        if not awaited or patience_ is None:
            self.approval_at = None
            return False
        self.approval_at = self.approval_at or now + patience_
        if self.approval_at > now:
            return False
        self.approval_at = None
        self.recorder.note(Approved(self._elapsed))
        self.world.ask("promote" if Reason.PROMOTION_REQUIRED in reasons else "resume")
        return True

    # What is so now.

    @property
    def _awaits_something(self) -> bool:
        """Whether something that was arranged is still to come."""
        return self.approval_at is not None or self.stage.next_at(self._elapsed) is not None

    @property
    def _elapsed(self) -> timedelta:
        return self.world.now - self.started

    @property
    def _phase(self) -> str | None:
        return self.world.status.get("phase")

    @property
    def _promoted(self) -> float:
        """Share of stable's available pods that run the new version."""
        available = [pod for pod in self.world.deployments[STABLE].pods if pod.available]
        new = sum(pod.revision == self.revision for pod in available)
        return new / len(available) if available else 0.0

    def _timeline(self) -> Timeline:
        counters, kinds = self.telemetry.counters, self.telemetry.kinds
        counts = taken(counters.at(counters.now), counters.at(0))
        hurt = hurt_by(counts, kinds, self.spec)
        return Timeline(
            setup=self.setup,
            revision=self.revision,
            steps=tuple(step.weight for step in self.spec.strategy.resolved_steps),
            failure_limit=self.spec.analysis.failure_limit,
            seed=self.seed,
            end=end_of(self.world.status, self.started, self.since, hurt),
            entries=tuple(self.recorder.entries),
            assumed=assumed_answers(self.setup),
            uncounted=uncounted(self.spec),
            timed=is_timed(self.spec),
            most_pods=self.world.most_pods,
        )
