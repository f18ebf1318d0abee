"""What can go wrong, and whether trying again helps.

CanaryOperatorError
├── InvalidRolloutError          the wish is wrong: nothing was changed, the user has to act
│   ├── InvalidSpecError         a field of the spec
│   │   ├── RefusedRouteError    the API server refused the route            (may heal)
│   │   ├── RouteMissingError    a VirtualService that is not as it is said to be (may heal)
│   │   └── TrialUnderWayError   not while a canary is on trial            (may heal)
│   ├── InvalidTemplateError     the API server refused the pod template
│   ├── HostNotAllowedError      a host that the admin did not allow
│   ├── HostConflictError        a host that somebody else routes          (may heal)
│   ├── NameConflictError        an object of our name that is not ours    (may heal)
│   └── WorkloadNotFoundError    no Deployment to take the pods from       (may heal)
├── SurroundingsError            the world does not let us: tried again with back-off
│   ├── RouterUnavailableError   the router's API is not installed
│   ├── ForbiddenError           the operator lacks a right
│   ├── DriftConflictError       somebody keeps changing an object back
│   ├── NotSetBackYetError       what was borrowed is on its way back
│   ├── UnavailableError         the API server failed, timed out or is overloaded
│   └── NotLeaderError           another operator may be writing by now
└── ConflictError                decided on an old state: decide anew, at once
"""

from datetime import timedelta
from typing import ClassVar

from canary_operator.domain.reasons import Reason


class CanaryOperatorError(Exception):
    """Base of everything that we raise; never raised itself."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class InvalidRolloutError(CanaryOperatorError):
    """The wish cannot be followed as it stands."""

    reason: ClassVar[Reason] = Reason.INVALID_SPEC
    heals: ClassVar[bool] = False
    """Whether it may go away without an edit of the CanaryRollout."""
    is_watched: bool = False
    """Whether the rollout is woken when that may have changed, so nobody has to ask again."""


class InvalidSpecError(InvalidRolloutError):
    """One or more fields of the spec are wrong; the message names each and what is allowed."""


class RefusedRouteError(InvalidSpecError):
    """The API server, or a webhook behind it, refused what the router would write."""

    heals = True  # a webhook may change


class RouteMissingError(InvalidSpecError):
    """The user's own VirtualService lacks what is to be split, or is not there."""

    heals = True  # when it is mended
    is_watched = True


class TrialUnderWayError(InvalidSpecError):
    """What the spec changes has to stay as it is while a canary is on trial."""

    heals = True  # when the trial is over


class InvalidTemplateError(InvalidRolloutError):
    """The API server refused the pod template."""

    reason = Reason.INVALID_TEMPLATE
    heals = True  # an admission policy or a quota may change


class HostNotAllowedError(InvalidRolloutError):
    """A host that the operator's allow-list does not contain."""

    reason = Reason.HOST_NOT_ALLOWED


class HostConflictError(InvalidRolloutError):
    """Another object claims the host on the same gateway."""

    reason = Reason.HOST_CONFLICT
    heals = True

    def __init__(self, message: str, *, is_watched: bool = False) -> None:
        super().__init__(message)
        self.is_watched = is_watched


class NameConflictError(InvalidRolloutError):
    """An object with a name that the rollout needs belongs to somebody else."""

    reason = Reason.NAME_CONFLICT
    heals = True


class WorkloadNotFoundError(InvalidRolloutError):
    """The Deployment that `spec.workloadRef` names does not exist."""

    reason = Reason.WORKLOAD_NOT_FOUND
    heals = True

    def __init__(self, name: str, namespace: str) -> None:
        super().__init__(
            f"spec.workloadRef.name is {name}, and namespace {namespace} has no such Deployment. "
            "What runs was not touched. Create the Deployment, or give its pods in spec.template."
        )


class SurroundingsError(CanaryOperatorError):
    """The world does not let us, for now."""

    reason: ClassVar[Reason] = Reason.API_UNAVAILABLE

    def __init__(self, message: str, retry_after: timedelta | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        """How long the other side asked us to wait; None where it did not say."""


class RouterUnavailableError(SurroundingsError):
    """The router's API is not installed or not served."""

    reason = Reason.ROUTER_UNAVAILABLE


class ForbiddenError(SurroundingsError):
    """The operator lacks a right; the message names verb and resource."""

    reason = Reason.FORBIDDEN


class DriftConflictError(SurroundingsError):
    """An object does not stay as we write it: somebody else writes it too."""

    reason = Reason.DRIFT_CONFLICT


class UnavailableError(SurroundingsError):
    """The API server failed, timed out, or asked us to slow down."""


class NotSetBackYetError(SurroundingsError):
    """What a rollout had changed is on its way back, and something has to happen first."""

    reason = Reason.RESTORING


class NotLeaderError(SurroundingsError):
    """This operator does not lead, or not for long enough to write; another one may be writing."""


class ConflictError(CanaryOperatorError):
    """The object changed since it was read."""
