"""Every reason that a condition, an Event or the history shows.

A reason is an identifier that people grep and alert on: it is never renamed.
"""

from enum import StrEnum


class Reason(StrEnum):
    """CamelCase word of a condition or an Event; the message beside it says the rest."""

    # What is wrong with the wish: nothing that runs was changed.
    INVALID_SPEC = "InvalidSpec"
    """A field of the spec is wrong; the message names it and what is allowed."""
    INVALID_TEMPLATE = "InvalidTemplate"
    """The API server refused the pod template; the message is the server's."""
    HOST_NOT_ALLOWED = "HostNotAllowed"
    """A host beside the rollout's own Service is not on the operator's allow-list."""
    HOST_CONFLICT = "HostConflict"
    """Another VirtualService already claims a host of this rollout on the same gateway."""
    NAME_CONFLICT = "NameConflict"
    """An object with a name that the rollout needs belongs to somebody else."""

    # What is wrong with the surroundings: tried again with back-off.
    ROUTER_UNAVAILABLE = "RouterUnavailable"
    """The traffic router cannot be told a weight, for example its CRDs are not installed."""
    FORBIDDEN = "Forbidden"
    """The operator lacks a right; the message names verb and resource."""
    API_UNAVAILABLE = "ApiUnavailable"
    """The API server refused or failed a request for longer than a moment."""
    DRIFT_CONFLICT = "DriftConflict"
    """Somebody else keeps changing an object back; the operator stopped fighting for a while."""
    RECORD_MISSING = "RecordMissing"
    """The record of a revision is gone, so its Deployment is left as it is."""

    # Stable.
    INITIALIZING = "Initializing"
    """The first revision is coming up."""
    STABLE = "Stable"
    """Stable serves everything and is what the spec asks for."""
    STABLE_UNAVAILABLE = "StableUnavailable"
    """Stable has fewer available pods than the spec asks for."""

    # A rollout under way.
    ROLLOUT_STARTED = "RolloutStarted"
    """A new revision is on trial."""
    PROGRESSING = "Progressing"
    """The canary climbs the steps."""
    WEIGHT_CHANGED = "WeightChanged"
    """The router was told another weight."""
    CANARY_UNAVAILABLE = "CanaryUnavailable"
    """The canary lost the pods that its weight needs; traffic went back to stable."""
    CHECK_FAILED = "CheckFailed"
    """A check had enough data and a value outside its limits."""
    CHECK_INCONCLUSIVE = "CheckInconclusive"
    """A check could not tell; it neither passes nor fails."""
    CHECK_PASSED = "CheckPassed"
    """A check passes again after one that did not."""
    SPEC_DOUBTFUL = "SpecDoubtful"
    """A field of the spec is allowed but probably not what was meant; the message names it."""
    DRIFT_REPAIRED = "DriftRepaired"
    """An object that somebody changed by hand was set back."""

    # People.
    APPROVAL_REQUIRED = "ApprovalRequired"
    """The step waits for a person."""
    PROMOTION_REQUIRED = "PromotionRequired"
    """Every step passed, and a person has to promote or abort."""
    PAUSED_BY_REQUEST = "PausedByRequest"
    """A person asked for a pause."""
    PAUSED_BY_SPEC = "PausedBySpec"
    """`spec.paused` is true."""
    RESUMED = "Resumed"
    """A pause ended."""
    REQUEST_REFUSED = "RequestRefused"
    """A person's request does not fit the present state; the message says why."""

    # How a rollout ends.
    PROMOTING = "Promoting"
    """Stable is being rolled to the canary's template."""
    PROMOTED = "Promoted"
    """The canary became stable."""
    ROLLED_BACK = "RolledBack"
    """All traffic is on stable and the revision is rejected."""
    ANALYSIS_FAILED = "AnalysisFailed"
    """More checks failed than `analysis.failureLimit` tolerates."""
    NO_DATA = "NoData"
    """The deadline passed and no check could tell how the canary behaves."""
    PROGRESS_DEADLINE_EXCEEDED = "ProgressDeadlineExceeded"
    """The deadline passed and the pods that were waited for did not become available."""
    ABORTED = "Aborted"
    """A person asked to take the canary back."""
    REVERTED = "Reverted"
    """The stable template was applied again while the canary was on trial."""
    SUPERSEDED = "Superseded"
    """A newer template was applied while the canary was on trial."""

    # What a measurement says.
    WITHIN_LIMITS = "WithinLimits"
    """Enough data, and the value is as it was asked to be."""
    OUTSIDE_LIMITS = "OutsideLimits"
    """Enough data, and the value is not as it was asked to be."""
    CALLERS_HUNG_UP = "CallersHungUp"
    """More of the canary's callers than of stable's gave up before the response."""
    TOO_FEW_REQUESTS = "TooFewRequests"
    """The canary got fewer requests than it takes to tell."""
    METRICS_UNAVAILABLE = "MetricsUnavailable"
    """Prometheus did not answer, or not with something that can be compared."""
    ROUTING_NOT_OBSERVED = "RoutingNotObserved"
    """Stable gets requests and the canary gets none, although it has a weight."""
    ROUTING_NOT_APPLIED = "RoutingNotApplied"
    """The canary's share of the requests is far from its weight, so the route is not followed."""
    WORSE_THAN_STABLE = "WorseThanStable"
    """The canary is worse than stable, with odds that chance does not explain."""
    WORSE_SUSPECTED = "WorseSuspected"
    """The odds that the canary is worse are too high to give it more requests."""
    SHARED_CAUSE_SUSPECTED = "SharedCauseSuspected"
    """Both versions fail, so something that they share is suspected."""
    NO_WORSE_THAN_STABLE = "NoWorseThanStable"
    """The canary is proven to be no worse than stable, within the margin."""
    NO_SIGN_OF_HARM = "NoSignOfHarm"
    """The hold is over and nothing speaks against the canary, which is proven neither way."""
    GATHERING_EVIDENCE = "GatheringEvidence"
    """The comparison with stable needs more requests or more time."""


REASONS: frozenset[str] = frozenset(Reason)
"""For asking whether a word is one."""
