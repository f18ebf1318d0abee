"""Timelines and outcomes for programs: plain data, times in seconds since the rollout began."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from canary_operator.domain.durations import format_duration
from canary_operator.plugin.offline.simulation.outcomes import Group, Share, Spread
from canary_operator.plugin.offline.simulation.scenario import Change, Event
from canary_operator.plugin.offline.simulation.setup import Setup
from canary_operator.plugin.offline.simulation.timeline import (
    Approved,
    Begun,
    Check,
    End,
    Entry,
    Over,
    Timeline,
    Told,
    Turn,
)
from canary_operator.plugin.offline.simulation.told import event_words


def timeline_data(timeline: Timeline) -> dict[str, Any]:
    """Return one rollout as plain data."""
    return {
        "namespace": timeline.namespace,
        "name": timeline.name,
        "canaryRevision": timeline.revision,
        **setup_data(timeline.setup),
        "seed": timeline.seed,
        "assumedAnswers": dict(timeline.assumed),
        "entries": [{"at": _seconds(one.at), **_entry(one)} for one in timeline.entries],
        "weights": [{"at": _seconds(at), "weight": weight} for at, weight in timeline.weights],
        "end": _end(timeline.end),
    }


def runs_data(
    setup: Setup, groups: Sequence[Group], seeds: range, assumed: Mapping[str, float]
) -> dict[str, Any]:
    """Return the outcomes of many rollouts as plain data."""
    return {
        "namespace": setup.namespace,
        "name": setup.name,
        **setup_data(setup),
        "seed": seeds.start,
        "runs": len(seeds),
        "assumedAnswers": dict(assumed),
        "outcomes": [
            {
                "outcome": group.ending.value,
                "reason": group.reason,
                **share_data(group.share),
                "seconds": spread_data(group.seconds),
                "requestsHurt": spread_data(group.hurt),
                "exampleSeed": group.example,
            }
            for group in groups
        ],
    }


def setup_data(setup: Setup) -> dict[str, Any]:
    """Return everything that is needed to play it again, beside the manifest and the seed."""
    scenario, approve = setup.scenario, setup.scenario.approve_after
    return {
        "scenario": scenario.name,
        "requestsPerSecond": scenario.rps,
        "baseErrorRate": _short(scenario.base_error_rate),
        "baseLatency": _seconds(scenario.base_latency),
        "approveAfter": None if approve is None else _seconds(approve),
        "podStart": _seconds(setup.pod_start),
        "scrapeInterval": _seconds(setup.scrape_interval),
        "queries": dict(scenario.queries),
        "events": [event_data(one) for one in scenario.events],
    }


def event_data(event: Event) -> dict[str, Any]:
    """Return an event as a scenario file has it."""
    at = event.at
    moment = f"step{at.step}" if at.step is not None else format_duration(at.after)
    found = {
        "at": "promotion" if at.promotion else moment,
        "for": None if event.lasts is None else format_duration(event.lasts),
        "canary": _change_data(event.canary),
        "stable": _change_data(event.stable),
        "rps": event.rps,
        "bypass": event.bypass or None,
        "prometheus": "down" if event.prometheus_down else None,
        "pods": "crash" if event.crash else None,
        "request": event.request,
        "queries": dict(event.queries) or None,
    }
    return {field: value for field, value in found.items() if value is not None}


def _change_data(change: Change) -> dict[str, str] | None:
    found = {
        "errors": None if change.errors is None else _percentage(change.errors),
        "hangUp": None if change.hang_up is None else _percentage(change.hang_up),
        "latency": None if change.latency is None else format_duration(change.latency),
    }
    return {field: value for field, value in found.items() if value is not None} or None


def _percentage(share: float) -> str:
    return f"{round(100 * share, 6):f}".rstrip("0").rstrip(".") + "%"


def share_data(share: Share) -> dict[str, Any]:
    """Return a share with its 95 % interval; fractions, 0 to 1."""
    low, high = share.interval
    return {"count": share.count, "share": share.value, "interval95": [_short(low), _short(high)]}


def spread_data(spread: Spread) -> dict[str, float]:
    """Return the middle and the 95th percentile of some numbers."""
    return {"median": _short(spread.median), "p95": _short(spread.p95)}


def _entry(entry: Entry) -> dict[str, Any]:
    match entry:
        case Turn():
            return {
                "kind": "turn",
                "phase": entry.phase.value,
                "weight": entry.weight,
                "step": entry.step,
                "canaryPods": entry.canary_pods,
                "pods": entry.pods,
                "reason": entry.reason,
            }
        case Check():
            return {
                "kind": "check",
                "weight": entry.weight,
                "verdict": entry.verdict.value,
                "failedChecks": entry.failed_checks,
                "metrics": [_metric(one) for one in entry.metrics],
            }
        case Begun(event=event):
            return {"kind": "begins", "what": event_words(event)}
        case Over(event=event):
            return {"kind": "ends", "what": event_words(event)}
        case Approved():
            return {"kind": "approved"}
        case Told():
            return {"kind": "told", "reason": entry.reason, "message": entry.message}


def _metric(judgement: Any) -> dict[str, Any]:
    """Return a judgement as the status has it, without its time on a clock that nobody has."""
    content: dict[str, Any] = judgement.model_dump(mode="json", by_alias=True, exclude_none=True)
    content.pop("measuredAt", None)
    return content


def _end(end: End) -> dict[str, Any]:
    return {
        "outcome": end.ending.value,
        "reason": end.reason,
        "message": end.message,
        "seconds": _seconds(end.took),
        "maxWeight": end.max_weight,
        "canaryRequests": end.hurt.requests,
        "requestsHurt": end.hurt.failed,
        "requestsSlow": end.hurt.slow,
    }


def _seconds(length: timedelta) -> float:
    return length.total_seconds()


def _short(value: float) -> float:
    return float(f"{value:.6g}")
