"""Gives back the Deployment that stable took the place of, with the Service that led to it."""

from collections.abc import Callable, Collection
from datetime import datetime
from typing import Protocol, assert_never

from canary_operator.domain.errors import NotSetBackYetError
from canary_operator.domain.loans import Loan
from canary_operator.domain.phase import UNDER_WAY
from canary_operator.domain.situation import TrackState
from canary_operator.domain.status import RolloutStatus
from canary_operator.domain.steps import PROXY_DELAY
from canary_operator.domain.way_back import Returning, Step, Wait, next_step
from canary_operator.domain.workload import Reference
from canary_operator.ports import Key, Rollout


class Handover(Protocol):
    """What the way back needs from the outside; unlike other ports it serves deleted rollouts."""

    def reference(self, rollout: Rollout, name: str) -> Reference | None:
        """Return the Deployment that the pods were taken from; None where it is gone."""
        ...

    def track(self, rollout: Rollout, track: str) -> TrackState:
        """Return a Deployment of the rollout."""
        ...

    def route_is_open(self, rollout: Rollout) -> bool:
        """Whether a route leads around the Service, or lets the canary be met through it."""
        ...

    def service_is_taken(self, rollout: Rollout) -> bool:
        """Whether a Service of somebody else leads to the pods of the rollout."""
        ...

    async def scale_up(self, rollout: Rollout, name: str, replicas: int) -> None:
        """Give the Deployment its pods back."""
        ...

    async def close_route(self, rollout: Rollout) -> None:
        """Have all requests go to the pods that the Service selects, the canary's left out."""
        ...

    async def stop_canary(self, rollout: Rollout) -> None:
        """Scale the canary to zero."""
        ...

    async def give_service_back(self, rollout: Rollout) -> None:
        """Let the Service lead where it led before."""
        ...

    async def let_go(self, rollout: Rollout, name: str) -> None:
        """Take the marks from the Deployment."""
        ...


class WayBack:
    """Port `Lender`, for Deployments."""

    def __init__(self, handover: Handover, clock: Callable[[], datetime]) -> None:
        self._handover = handover
        self._clock = clock
        self._changed: dict[Key, datetime] = {}
        """When what leads to pods was changed last; a restart waits once more."""

    async def give_back(
        self,
        rollout: Rollout,
        loan: Loan,
        kept: Collection[Loan] = (),  # noqa: ARG002 - it is the whole object
    ) -> bool:
        """Go the way back as far as it is possible now; return whether something was written.

        Raises:
            NotSetBackYetError: something has to happen first; the message says what.
            SurroundingsError: the API server did not take a write.
        """
        written = False
        while True:
            step = next_step(self._look(rollout, loan))
            if step is None:
                self._changed.pop(rollout.key, None)
                return written
            if isinstance(step, Wait):
                pause = PROXY_DELAY if step.for_proxies else None
                raise NotSetBackYetError(step.words, retry_after=pause)
            await self._take(step, rollout, loan)
            written = True

    def _look(self, rollout: Rollout, loan: Loan) -> Returning:
        seen, now = self._handover, self._clock()
        reference = seen.reference(rollout, loan.name)
        since = self._changed.get(rollout.key)
        return Returning(
            replicas=self._replicas(rollout, reference),
            reference=reference,
            canary=seen.track(rollout, "canary"),
            route_is_open=seen.route_is_open(rollout),
            service_is_taken=seen.service_is_taken(rollout),
            settled=since is None or now >= since + PROXY_DELAY,
        )

    def _replicas(self, rollout: Rollout, reference: Reference | None) -> int:
        """Return what it had, or what stable needs, if that is more: it gets stable's load.

        While the canary has a share, stable may have pods for the rest only. Where stable never
        took its place, it has what it needs.
        """
        status = RolloutStatus.read(rollout.status)
        record, load = status.workload, status.full_load or 0
        marked = reference.replicas_before if reference else None
        if record is None and marked is None:
            return 0
        before = record.replicas if record else 0
        shared = load if status.phase in UNDER_WAY else 0
        return max(before, marked or 0, shared, self._handover.track(rollout, "stable").replicas)

    async def _take(self, step: Step, rollout: Rollout, loan: Loan) -> None:
        seen = self._handover
        match step:
            case Step.SCALE_UP:
                replicas = self._replicas(rollout, seen.reference(rollout, loan.name))
                await seen.scale_up(rollout, loan.name, replicas)
            case Step.CLOSE_ROUTE:
                await seen.close_route(rollout)
                self._changed[rollout.key] = self._clock()
            case Step.STOP_CANARY:
                await seen.stop_canary(rollout)
            case Step.GIVE_SERVICE_BACK:
                await seen.give_service_back(rollout)
                self._changed[rollout.key] = self._clock()
            case Step.LET_GO:
                await seen.let_go(rollout, loan.name)
            case _:
                assert_never(step)
