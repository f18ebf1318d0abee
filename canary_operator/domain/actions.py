"""What a decision asks for. `record.py` says what each means for the status."""

from dataclasses import dataclass
from typing import Literal

from canary_operator.domain.phase import Trigger
from canary_operator.domain.reasons import Reason


@dataclass(frozen=True, slots=True)
class Initialize:
    """Bring up `revision` as stable, without a trial: nothing serves yet."""

    revision: str


@dataclass(frozen=True, slots=True)
class Adopt:
    """Take what stable runs as the stable revision: the status was lost, the pods were not."""

    revision: str


@dataclass(frozen=True, slots=True)
class ServeStable:
    """The first revision is available: let the router send everything to it."""


@dataclass(frozen=True, slots=True)
class Start:
    """Put `revision` on trial, from the first step, with no traffic yet."""

    revision: str
    trigger: Trigger
    """NEW_REVISION or RETRY_REQUESTED."""


@dataclass(frozen=True, slots=True)
class Raise:
    """Give the canary `weight` percent of the requests, the weight of step `step`."""

    step: int
    weight: int
    pods: int
    """Available canary pods that the weight needs."""


@dataclass(frozen=True, slots=True)
class Lower:
    """Take requests from the canary without giving it up: it lost pods."""

    weight: int


@dataclass(frozen=True, slots=True)
class Pause:
    """Stop raises; checks, readiness and requests go on."""

    reason: Reason


@dataclass(frozen=True, slots=True)
class Resume:
    """Nothing stops raises any more."""


@dataclass(frozen=True, slots=True)
class Promote:
    """Roll stable to the canary's template, at the present weight."""

    trigger: Trigger
    """STEPS_PASSED or PROMOTE_REQUESTED."""


@dataclass(frozen=True, slots=True)
class FinishPromotion:
    """Every stable pod runs the new revision: give it all traffic, end the rollout."""


@dataclass(frozen=True, slots=True)
class RollBack:
    """Take all traffic from the canary and set stable back, if it was touched."""

    trigger: Trigger
    """FAILED, ABORT_REQUESTED or, while promoting, REVERTED."""
    reason: Reason
    message: str


@dataclass(frozen=True, slots=True)
class FinishRollBack:
    """Stable is whole and the canary's pods had their time to drain."""


@dataclass(frozen=True, slots=True)
class Revert:
    """The stable template is wanted again: end the rollout, reject nothing."""


@dataclass(frozen=True, slots=True)
class Hold:
    """Change nothing but what was learnt."""


Action = (
    Initialize
    | Adopt
    | ServeStable
    | Start
    | Raise
    | Lower
    | Pause
    | Resume
    | Promote
    | FinishPromotion
    | RollBack
    | FinishRollBack
    | Revert
    | Hold
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What becomes of a person's request."""

    outcome: Literal["Accepted", "Refused"]
    message: str
    action: Action | None = None
    pause: bool | None = None
    """True sets a pause by request, False ends it."""
    approve: bool = False
    """Whether the present step is approved."""
