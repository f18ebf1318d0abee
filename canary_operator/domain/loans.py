"""Loans: objects of somebody else that a rollout changes, and has to set back.

A loan is recorded in the status before its object is changed for the first time, and goes from
there when the object was set back: when the spec does not need it any more, or when the
CanaryRollout is deleted. So that nobody forgets it then, a CanaryRollout with loans has a finalizer
of ours. One without has none.
"""

from collections.abc import Callable, Iterable, Iterator

from canary_operator.domain.objects import GROUP
from canary_operator.domain.recorded import Count, Recorded
from canary_operator.domain.spec import RolloutSpec

FINALIZER = f"{GROUP}/restore"
"""Keeps a CanaryRollout until what it borrowed was set back."""


class Loan(Recorded):
    """An object of somebody else, or a part of one, that the rollout changes."""

    kind: str
    """Kind of the object. Any text, as a newer operator may have borrowed what we do not know."""
    name: str
    part: str | None = None
    """Which part of the object; absent for all of it that concerns the rollout."""
    replicas: Count | None = None
    """Pods to give back to a workload; absent where there is nothing to count."""

    @property
    def identity(self) -> tuple[str, str, str | None]:
        """What is borrowed, whatever is to be given back."""
        return self.kind, self.name, self.part

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


Borrows = Callable[[RolloutSpec], Iterable[Loan]]
"""Says what one field of a spec borrows."""


DEPLOYMENT = "Deployment"


def _deployment(spec: RolloutSpec) -> Iterator[Loan]:
    """Yield the Deployment that the pods are taken from, with the Service that leads to it."""
    if spec.workload_ref is not None:
        yield Loan(kind=DEPLOYMENT, name=spec.workload_ref.name)


def needs_anchor(loans: Iterable[Loan]) -> bool:
    """Whether the rollout's own objects have to stay until all was given back.

    They serve in the place of a Deployment until that has its pods again.
    """
    return any(loan.kind == DEPLOYMENT for loan in loans)


VIRTUAL_SERVICE = "VirtualService"


def _routes(spec: RolloutSpec) -> Iterator[Loan]:
    """Yield the routes of the user's VirtualService, by name; all of it where they have none."""
    reference = spec.traffic.virtual_service
    if reference is not None:
        for route in reference.routes or (None,):
            yield Loan(kind=VIRTUAL_SERVICE, name=reference.name, part=route)


BORROWERS: tuple[Borrows, ...] = (_routes, _deployment)


def loans_of(spec: RolloutSpec) -> tuple[Loan, ...]:
    """Return what a spec needs to borrow."""
    return tuple(loan for borrows in BORROWERS for loan in borrows(spec))


def with_loans(recorded: tuple[Loan, ...], needed: Iterable[Loan]) -> tuple[Loan, ...]:
    """Return the recorded loans and those that are needed as well; what is recorded stays."""
    known = {loan.identity for loan in recorded}
    return (*recorded, *(loan for loan in needed if loan.identity not in known))


def without(loans: Iterable[Loan], others: Iterable[Loan]) -> tuple[Loan, ...]:
    """Return the loans that are not among `others`."""
    known = {loan.identity for loan in others}
    return tuple(loan for loan in loans if loan.identity not in known)
