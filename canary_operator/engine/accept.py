"""From what the user wrote to the spec in force.

A new spec is read, checked and tried out on the API server before anything is touched, and then
recorded. The record makes it the spec in force, also for an operator that starts later. A spec
that is refused changes nothing: the last recorded one stays in force.
"""

import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from canary_operator.domain.acceptance import (
    asks_nothing_new,
    check_followed,
    check_interval,
    check_router,
    check_shares,
    check_target_ports,
    doubts_about,
    read_record,
    read_spec,
    settings_of,
)
from canary_operator.domain.errors import (
    ForbiddenError,
    InvalidRolloutError,
    NotLeaderError,
    SurroundingsError,
)
from canary_operator.domain.group import check_group
from canary_operator.domain.notices import Notice
from canary_operator.domain.reasons import Reason
from canary_operator.domain.references import (
    check_reference,
    on_route_before,
    route_settings_of,
    takes_back,
    where_the_share_is,
)
from canary_operator.domain.revision import asked_revision, revision_of
from canary_operator.domain.situation import Problem, Settings, Wanted
from canary_operator.domain.spec import RolloutSpec
from canary_operator.domain.status import RolloutStatus
from canary_operator.engine.pods_from import PodSource
from canary_operator.ports import Accepted, Key, Ports, Rollout

logger = logging.getLogger(__name__)

RETRY_REFUSED = timedelta(seconds=30)
"""How soon a refusal that may heal by itself is tried again."""
FIRST_RETRY = timedelta(seconds=0.5)
"""How soon an API server that could not be asked is asked again; later pauses double."""


@dataclass(frozen=True, slots=True)
class Acceptance:
    """The spec in force, and why it is not the newest one, if so."""

    wanted: Wanted | None
    problem: Problem | None = None
    retry_at: datetime | None = None
    asked: str | None = None
    """Revision of the newest spec, where that is not in force and has a template."""


@dataclass(frozen=True, slots=True)
class _Remembered:
    """What one generation of a spec was found to be, so that it is read and tried only once."""

    uid: str
    generation: int
    spec: RolloutSpec | None
    """Without its pods: it stays in memory for as long as it is in force."""
    error: InvalidRolloutError | SurroundingsError | None = None
    retry_at: datetime | None = None
    pause: timedelta = FIRST_RETRY / 2
    """How long the last pause was, where the API server could not be asked."""
    revision: str = ""
    """Of the spec; also where it is refused, if it has a template."""
    pods: object = None
    """What the Deployment gave that the pods are taken from."""


class Acceptor:
    """Decides for each generation of each spec whether it is followed."""

    def __init__(self, ports: Ports, settings: Settings) -> None:
        self._ports = ports
        self._settings = settings
        self._source = PodSource(ports.workloads)
        self._memory: dict[Key, _Remembered] = {}

    def forget(self, key: Key) -> None:
        """Drop what is remembered of a rollout that is gone."""
        self._memory.pop(key, None)

    def forget_all(self) -> None:
        """Drop everything: another operator may have recorded other specs since."""
        self._memory.clear()

    async def accept(self, rollout: Rollout, now: datetime) -> Acceptance:
        """Return the spec in force for `rollout`.

        While the API server cannot be asked about a new spec, the last one stays in force: a
        rollout under way must be able to go back.

        Raises:
            SurroundingsError: no spec is in force, and the API server could not be asked.
        """
        known = self._recall(rollout, now)
        if known is None:
            known = await self._examine(rollout, now)
            if known.spec is None:
                asked = self._source.revision(rollout) or asked_revision(rollout.spec)
                known = replace(known, revision=asked)
            known = replace(known, pods=self._source.given(rollout))
            self._memory[rollout.key] = known
        if known.spec is not None:
            return self._in_force(rollout, Wanted(known.revision, known.spec))
        return self._fall_back(rollout, known)

    def _in_force(self, rollout: Rollout, wanted: Wanted) -> Acceptance:
        if rollout.status.get("weight"):
            status = RolloutStatus.read(rollout.status)
            spec = where_the_share_is(wanted.spec, wanted.revision, status)
            wanted = replace(wanted, spec=spec)
        conflict = self._ports.router.contested(rollout, wanted.spec)
        return Acceptance(wanted, _quoted(conflict, heals=True) if conflict else None)

    def _recall(self, rollout: Rollout, now: datetime) -> _Remembered | None:
        known = self._memory.get(rollout.key)
        if known is None or (known.uid, known.generation) != (rollout.uid, rollout.generation):
            return None
        if known.pods != self._source.given(rollout):
            return None
        expired = known.retry_at is not None and now >= known.retry_at
        woken = isinstance(known.error, InvalidRolloutError) and known.error.is_watched
        woken = woken or self._was_recorded(rollout, known)
        return None if expired or woken else known

    def _was_recorded(self, rollout: Rollout, known: _Remembered) -> bool:
        """Whether the record of a spec is there, although we were told that it was not written."""
        if not isinstance(known.error, SurroundingsError):
            return False
        records = self._ports.workloads.records(rollout)
        newest = records[0] if records else None
        wanted = known.revision, settings_of(rollout.spec)
        return newest is not None and (newest.revision, newest.settings) == wanted

    async def _examine(self, rollout: Rollout, now: datetime) -> _Remembered:
        try:
            spec = await self._follow(rollout)
        except InvalidRolloutError as error:
            retry_at = now + RETRY_REFUSED if error.heals else None
            return _Remembered(rollout.uid, rollout.generation, None, error, retry_at)
        except ForbiddenError as error:
            retry_at = now + RETRY_REFUSED
            return _Remembered(rollout.uid, rollout.generation, None, error, retry_at)
        except SurroundingsError as error:
            if isinstance(error, NotLeaderError) or not self._ports.workloads.records(rollout):
                raise
            return self._put_off(rollout, error, now)
        revision, lean = revision_of(spec.template.raw), spec.without_pods()
        return _Remembered(rollout.uid, rollout.generation, lean, revision=revision)

    def _put_off(self, rollout: Rollout, error: SurroundingsError, now: datetime) -> _Remembered:
        before = self._memory.get(rollout.key)
        again = before is not None and before.generation == rollout.generation
        pause = min(2 * before.pause, RETRY_REFUSED) if before and again else FIRST_RETRY
        retry_at = now + (error.retry_after or pause)
        return _Remembered(rollout.uid, rollout.generation, None, error, retry_at, pause)

    async def _follow(self, rollout: Rollout, *, taking_back: bool = False) -> RolloutSpec:
        """Check everything that can be wrong with a spec, then record it."""
        key, raw = rollout.key, rollout.spec
        written = read_spec(raw, name=key.name, namespace=key.namespace, settings=self._settings)
        records = self._ports.workloads.records(rollout)
        spec = await self._source.fill(rollout, written, records)
        revision, settings = revision_of(spec.template.raw), settings_of(raw)
        newest = records[0] if records else None
        check_shares(spec)
        if newest and newest.revision == revision and _is_recorded(newest, spec, settings):
            return spec
        status = RolloutStatus.read(rollout.status)
        if newest is not None:
            on_trial = _record_of(records, status.canary_revision) or newest
            check_group(settings, revision, status, on_trial.settings)
        stable = _record_of(records, rollout.status.get("stableRevision"))
        if stable is not None and stable.revision != revision:
            check_target_ports(spec, stable.settings, stable.template)
        try:
            await self._claim(rollout, spec, newest)
        except InvalidRolloutError:
            if newest is not None and not taking_back and takes_back(revision, status):
                await self._take_back(rollout, newest)
            raise
        check_interval(spec, self._settings)
        await self._ports.metrics.try_out(key, spec)
        await self._try_out(rollout, spec, records)
        number = newest.number + 1 if newest else 1
        accepted = Accepted(revision, spec.template.raw, settings, number)
        await self._ports.workloads.remember(rollout, accepted)
        for doubt in doubts_about(spec):
            self._ports.events.tell(rollout, Notice("Warning", Reason.SPEC_DOUBTFUL, doubt))
        about = {"rollout": str(key), "revision": revision}
        logger.info("Spec accepted: revision=%s", revision, extra=about)
        return spec

    async def _claim(self, rollout: Rollout, spec: RolloutSpec, newest: Accepted | None) -> None:
        settings, revision = settings_of(rollout.spec), revision_of(spec.template.raw)
        if newest is not None:
            splits, status = self._splits(rollout), RolloutStatus.read(rollout.status)
            check_router(spec, newest.settings, splits=splits)
            check_reference(settings, revision, status, newest.settings, splits=splits)
            if route_settings_of(newest.settings) == route_settings_of(settings):
                return
        await self._ports.router.claim(rollout, spec)

    async def _take_back(self, rollout: Rollout, newest: Accepted) -> None:
        """End a trial on the route that it is on, as that of the spec which ends it is refused."""
        for spec in on_route_before(rollout.spec, newest.settings):
            with suppress(InvalidRolloutError):
                await self._follow(replace(rollout, spec=spec), taking_back=True)
                return

    async def _try_out(
        self, rollout: Rollout, spec: RolloutSpec, records: Sequence[Accepted]
    ) -> None:
        """Ask the API server about what it has not taken before."""
        if _record_of(records, revision_of(spec.template.raw)) is None:
            await self._ports.workloads.try_out(rollout, spec.template.raw)
        before = records[0].settings.get("autoscaling") if records else None
        if before != rollout.spec.get("autoscaling"):
            await self._ports.workloads.try_autoscaler(rollout, spec)

    def _splits(self, rollout: Rollout) -> bool:
        """Whether a router has an object by what was accepted last, or a canary is under way."""
        under_way = rollout.status.get("canaryRevision") is not None
        accepted = None if under_way else self.last_accepted(rollout)
        spec = accepted.spec if accepted is not None else None
        return under_way or self._ports.router.state(rollout, spec).exists

    def _fall_back(self, rollout: Rollout, known: _Remembered) -> Acceptance:
        wanted = self.last_accepted(rollout)
        followed = self._in_force(rollout, wanted) if wanted is not None else Acceptance(None)
        problem = followed.problem
        if known.error is not None:
            problem = _quoted(known.error, heals=known.retry_at is not None)
        return Acceptance(followed.wanted, problem, known.retry_at, asked=known.revision or None)

    def last_accepted(self, rollout: Rollout) -> Wanted | None:
        """Return what was accepted last; None where nothing was."""
        records = self._ports.workloads.records(rollout)
        if not records:
            return None
        newest = records[0]
        stable = self._ports.workloads.track(rollout, "stable")
        # A pause is no part of what was accepted, and is obeyed whatever else the spec says.
        paused = rollout.spec.get("paused") is True
        key = rollout.key
        settings = self._settings_for_what_runs(rollout)
        # Records say nothing of scale. Where stable was deleted, the refused spec knows best.
        sizes = [stable.replicas] if stable.exists else [rollout.spec.get("replicas", 1), 1]
        scaled = newest.settings.get("autoscaling") is not None
        for size in [None] if scaled else sizes:
            sized = {"paused": paused} | ({} if size is None else {"replicas": size})
            with suppress(InvalidRolloutError):
                spec = read_record(newest.settings, newest.template, **sized)
                check_followed(spec, name=key.name, namespace=key.namespace, settings=settings)
                return Wanted(newest.revision, spec.without_pods())
        return None  # recorded by an operator with other rules; its pods are left alone

    def _settings_for_what_runs(self, rollout: Rollout) -> Settings:
        """Return settings under which a rollout goes on, and may roll back, when lists got shorter.

        Hosts that are routed already stay; a record alone, which may be forged, opens none. Queries
        that are not allowed any more are not sent, so their checks decide nothing.
        """
        allowed = self._settings.allowed_hosts
        if allowed is not None:
            allowed = (*allowed, *self._ports.router.state(rollout).hosts)
        return replace(self._settings, allowed_hosts=allowed, custom_queries=None)


def _quoted(error: InvalidRolloutError | SurroundingsError, *, heals: bool) -> Problem:
    return Problem.quoted(error.reason, error.message, heals=heals)


def _is_recorded(newest: Accepted, spec: RolloutSpec, settings: Mapping[str, Any]) -> bool:
    same = newest.settings == settings
    return same or asks_nothing_new(spec, newest.settings, newest.template)


def _record_of(records: Sequence[Accepted], revision: object) -> Accepted | None:
    return next((record for record in records if record.revision == revision), None)
