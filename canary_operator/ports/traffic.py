"""Requests: who splits them, and who gives back what was borrowed for it."""

from collections.abc import Collection
from typing import Protocol

from canary_operator.domain.errors import InvalidRolloutError
from canary_operator.domain.loans import Loan
from canary_operator.domain.situation import RouteState
from canary_operator.domain.spec import RolloutSpec
from canary_operator.domain.target import RouteTarget
from canary_operator.ports.rollouts import Rollout


class TrafficRouter(Protocol):
    """Whatever splits requests between stable and canary."""

    def state(self, rollout: Rollout, spec: RolloutSpec | None = None) -> RouteState:
        """Return what the router was told, as last seen.

        Args:
            rollout: Whose route it is.
            spec: Its spec in force, which says whom the canary is for; None where no weight is
                asked about.
        """
        ...

    async def claim(self, rollout: Rollout, spec: RolloutSpec) -> None:
        """Check, before a spec is accepted, that nobody else routes its hosts.

        Raises:
            HostConflictError: another object claims a host on the same gateway.
            RouteMissingError: somebody else's object is to be split and cannot be.
        """
        ...

    def contested(self, rollout: Rollout, spec: RolloutSpec) -> InvalidRolloutError | None:
        """Return what of the spec in force the router cannot follow now, if anything.

        A host may be left to another rollout, as two may have been accepted at the same moment, or
        somebody else's object may have changed. `set` leaves it out, and the rollout is woken when
        it may have it.
        """
        ...

    async def set(self, rollout: Rollout, spec: RolloutSpec, target: RouteTarget) -> bool:
        """Give the canary the weight of `target`; return whether something was written.

        Raises:
            RouterUnavailableError: the router's API is not installed.
            NameConflictError, DriftConflictError, ForbiddenError, UnavailableError.
        """
        ...

    def is_finished(self, rollout: Rollout) -> bool:
        """Whether the last `set` did all of it; else it goes on by itself and is to be repeated.

        The rollout is woken when there is more to do.
        """
        ...


class Lender(Protocol):
    """Gives back what rollouts borrowed, of one kind of objects."""

    async def give_back(self, rollout: Rollout, loan: Loan, kept: Collection[Loan] = ()) -> bool:
        """Set the object of a loan back; return whether something was written.

        What the object has for the loans that are `kept`, too, stays.

        An object that is gone has nothing to be set back. `rollout` may be about to be deleted, and
        is the only one of all writes that is done for it then.

        Raises:
            RouteMissingError: it has requests for the canary that nobody else is there to take.
            InvalidRolloutError, SurroundingsError: it is to be tried again.
        """
        ...
