"""What the operator recorded: `status` of a CanaryRollout.

Everything that a later tick needs stands here, so that a restarted operator goes on where the
last one stopped. Only the tick writes it.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from canary_operator.domain.evidence import Evidence
from canary_operator.domain.loans import Loan
from canary_operator.domain.phase import Phase
from canary_operator.domain.recorded import Amount, Count, Percent, Recorded, Time


class Verdict(StrEnum):
    """Outcome of a check, from harmless to harmful; the order is the severity."""

    PASS = "Pass"  # noqa: S105 - a verdict, not a password
    INCONCLUSIVE = "Inconclusive"
    FAIL = "Fail"


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the worst verdict; no verdict at all is inconclusive, not a pass."""
    return max(verdicts, key=list(Verdict).index, default=Verdict.INCONCLUSIVE)


class Condition(Recorded):
    """One typed fact, as kstatus and `kubectl wait` read it."""

    type: Literal["Ready", "Reconciling", "Stalled", "Paused"]
    status: Literal["True", "False", "Unknown"]
    reason: str
    message: str = ""
    last_transition_time: Time
    """When `status` changed last."""
    observed_generation: int = 0
    """Generation of the spec that this condition speaks of."""


class Requests(Recorded):
    """Requests of one version, and how many of them were bad."""

    requests: Count
    bad: Count


class Judgement(Recorded):
    """What the latest check of one metric found."""

    name: str
    verdict: Verdict
    reason: str | None = None
    """Why, in one CamelCase word."""
    dry_run: bool | None = None
    """True for a metric that is only shown; absent for one that decides."""
    value: str | None = None
    """The number that was compared, with its unit; absent when there was none."""
    threshold: str = ""
    """What the value was compared with, for example `≥ 99 %`."""
    odds: float | None = None
    """Odds, to one, that the canary is worse than stable; absent where nothing is compared."""
    canary: Requests | None = None
    """Of the rollout where versions are compared, else of the window."""
    stable: Requests | None = None
    message: str = ""
    """One sentence: what was measured, and why the verdict is what it is."""
    measured_at: Time | None = None


def verdict_of(judgements: Iterable[Judgement]) -> Verdict:
    """Return the verdict of a check: the worst of those that decide."""
    return worst(judgement.verdict for judgement in judgements if not judgement.dry_run)


class CheckRecord(Recorded):
    """When the latest check of the present weight was made and what it said."""

    at: Time
    verdict: Verdict
    proven: bool | None = None
    """True if every comparison proved that the canary is healthy."""


class RequestRecord(Recorded):
    """The last request of a person, and what became of it."""

    value: str
    """The annotation as it was set."""
    outcome: Literal["Accepted", "Refused"]
    message: str = ""
    at: Time
    removed: bool = False
    """Whether the annotation has been seen to be gone; a later equal value is a new request."""


class Outcome(StrEnum):
    """How a rollout ended."""

    PROMOTED = "Promoted"
    ROLLED_BACK = "RolledBack"
    REVERTED = "Reverted"
    SUPERSEDED = "Superseded"


class HistoryEntry(Recorded):
    """One finished rollout."""

    revision: str
    outcome: Outcome
    reason: str
    message: str = ""
    started_at: Time
    finished_at: Time
    max_weight: Percent
    requests_hurt: Count | None = None
    """Canary requests that failed or were given up, as far as checks counted them; absent where
    only queries of your own were asked."""


class Attempt(Recorded):
    """Bookkeeping of the rollout under way; it begins and ends with the rollout."""

    started_at: Time
    max_weight: Percent = 0
    """Highest weight that the router was told, in percent."""
    step_weight: Percent = 0
    """Weight of the step that was reached, in percent; above `weight` while pods are missing."""
    step_pods: Count = 0
    """Canary pods that the weight needed when it was raised."""
    peak_available: Count = 0
    """Most available canary pods seen in this step."""
    hold_started_at: Time | None = None
    """Start of the hold: the raise, or the latest failed check."""
    last_check: CheckRecord | None = None
    """Latest check at the present weight."""
    short_of_pods_since: Time | None = None
    """Since when fewer canary pods are available than the weight needs."""
    route_broken_since: Time | None = None
    """Since when no weight can be given, as somebody else's route lacks something."""
    awaits_pods: bool | None = None
    """True from a raise until all of its pods were available once, where pods are traffic."""
    in_first_step: bool | None = None
    """True in the first step, which asks for pods only, where pods are traffic."""
    paused_at: Time | None = None
    paused_by_request: bool = False
    approved_step: Count | None = None
    """Index of the step that a person approved."""
    step_passed_at: Time | None = None
    """When the step that waits for a person was held and passed. A later check that cannot tell
    does not end the wait; one that fails does."""
    requests_hurt: Amount | None = None
    """Canary requests that failed or were given up, as far as checks counted them. Where windows
    overlap it is an estimate: each check adds its share of new seconds."""
    compared_until: Time | None = None
    """End of what the comparison with stable has looked at; the next look begins there."""
    evidence: Annotated[tuple[Evidence, ...], Field(max_length=20)] = ()
    """What the comparison with stable knows, one entry for each metric."""


class WorkloadRecord(Recorded):
    """The Deployment of `spec.workloadRef`, from when stable serves in its place."""

    name: str
    replicas: Count
    """Pods that it had, or, if none, those that stable had then; so many it gets back."""
    replaced_at: Time
    """When all traffic was on stable; its pods outlive that by two seconds."""
    scaled_down_at: Time | None = None
    """When it was first seen with no pod asked for; absent where it still has some."""


class RolloutStatus(Recorded):
    """State of a CanaryRollout; written by the operator alone."""

    observed_generation: int = -1
    """Generation of the spec that this status speaks of; -1 before the first look."""
    phase: Phase | None = None
    message: str = ""
    """What happens now and what comes next, in one sentence."""
    stable_revision: str | None = None
    canary_revision: str | None = None
    rejected_revision: str | None = None
    """Revision that was rolled back; not tried again until a retry or another revision."""
    step: Count | None = None
    """Index of the present step, from 0."""
    step_progress: str | None = None
    """Present step and number of steps, for people: `2/3`."""
    weight: Percent | None = None
    """Share of requests for the canary that the router was told, in percent."""
    weight_applied_at: Time | None = None
    progressed_at: Time | None = None
    """Latest progress, where the progress deadline counts from."""
    failed_checks: Count = 0
    full_load: Count | None = None
    """With autoscalers: pods that the full load takes, as far as known since the latest rollout
    began."""
    traffic_off_at: Time | None = None
    """When the canary lost its traffic; its pods outlive that by `scaleDownDelay`."""
    attempt: Attempt | None = None
    last_request: RequestRecord | None = None
    metrics: tuple[Judgement, ...] = ()
    history: Annotated[tuple[HistoryEntry, ...], Field(max_length=10)] = ()
    """Finished rollouts, newest first."""
    borrowed: Annotated[tuple[Loan, ...], Field(max_length=100)] | None = None
    """Objects of somebody else that the rollout changes and sets back; absent where there are
    none."""
    replicas: Count = 0
    """Pods of both tracks."""
    ready_replicas: Count = 0
    workload: WorkloadRecord | None = None
    """The Deployment that stable took the place of, where the spec names one."""
    selector: str | None = None
    """Label selector of the pods of both tracks, for autoscalers."""
    conditions: tuple[Condition, ...] = ()

    @classmethod
    def read(cls, raw: Mapping[str, Any] | None) -> "RolloutStatus":
        """Return the recorded status; one that is missing or makes no sense is the empty status.

        What stable runs is adopted then, see `rules.adopt_running_stable`.
        """
        try:
            return cls.model_validate(raw or {})
        except ValidationError:
            return cls()

    def to_json(self) -> dict[str, Any]:
        """Return the status as the API stores it: camelCase, absent instead of null or empty."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


def merge_patch(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """Return the JSON merge patch (RFC 7396) that turns `before` into `after`.

    Example:
        >>> merge_patch({"a": 1, "b": {"c": 2}}, {"b": {"c": 3}})
        {'a': None, 'b': {'c': 3}}
    """
    patch: dict[str, Any] = {key: None for key in before if key not in after}
    for key, value in after.items():
        old = before.get(key)
        if isinstance(value, Mapping) and isinstance(old, Mapping):
            inner = merge_patch(old, value)
            if inner:
                patch[key] = inner
        elif value != old:
            patch[key] = value
    return patch
