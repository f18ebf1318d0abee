"""Istio's standard metrics: which queries count the requests of many rollouts at once.

One query covers both views and a whole sequence of rollouts, so the number of queries does not
grow with the number of rollouts, up to `SUBJECTS_PER_QUERY`.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, TypeAlias

from canary_operator.domain.counts import (
    HUNG_UP_FLAG,
    Buckets,
    Count,
    Durations,
    Tracks,
    Traffic,
    View,
    outcome_of,
)
from canary_operator.domain.promql import counted, one_of

SUBJECTS_PER_QUERY = 50
"""Most rollouts in one query: about 50 kB of PromQL with long names."""

Track: TypeAlias = Literal["stable", "canary"]
TRACKS: tuple[Track, ...] = ("stable", "canary")

_REQUESTS = "istio_requests_total"
_DURATIONS = "istio_request_duration_milliseconds_bucket"
_OUTCOME_LABELS = ("response_code", "response_flags", "request_protocol", "grpc_response_status")
_IDENTITY_LABELS: Mapping[View, tuple[str, ...]] = {
    View.CALLERS: ("destination_service",),
    View.PODS: ("destination_workload_namespace", "destination_workload"),
}
_REPORTERS: Mapping[View, str] = {
    View.CALLERS: 'reporter="source"',
    View.PODS: 'reporter=~"destination|waypoint"',
}
_WITH_CODE = 'response_code!=""'
"""Where an admin removed that label, nothing can be told: no data is better than all bad."""
_NOT_HUNG_UP = f'response_flags!~"(.*,)?{HUNG_UP_FLAG}(,.*)?"'


@dataclass(frozen=True, slots=True)
class Subject:
    """A rollout as telemetry knows it."""

    namespace: str
    name: str
    cluster_domain: str = "cluster.local"

    def workload(self, track: Track) -> str:
        """Return the name of a track's Deployment and Service."""
        return f"{self.name}-{track}"

    def host(self, track: Track | None = None) -> str:
        """Return the full name of a track's Service, or of the Service that callers use."""
        service = self.workload(track) if track else self.name
        return f"{service}.{self.namespace}.svc.{self.cluster_domain}"

    def identity(self, view: View, track: Track) -> tuple[str, ...]:
        """Return the values of the labels that name a track in `view`."""
        if view is View.CALLERS:
            return (self.host(track),)
        return (self.namespace, self.workload(track))


@dataclass(frozen=True, slots=True)
class Row:
    """One element of an instant vector."""

    labels: Mapping[str, str]
    value: float


def requests_query(subjects: Sequence[Subject], window: timedelta) -> str:
    """Return the query that counts the requests of both tracks by outcome."""
    return " or ".join(
        counted(
            f"{_REQUESTS}{{{_matchers(view, subjects, TRACKS)},{_WITH_CODE}}}",
            window,
            (*_IDENTITY_LABELS[view], *_OUTCOME_LABELS),
        )
        for view in View
    )


def durations_query(subjects: Sequence[Subject], window: timedelta) -> str:
    """Return the query for the canaries' histograms, without requests whose caller hung up."""
    return " or ".join(
        counted(
            f"{_DURATIONS}{{{_matchers(view, subjects, ('canary',))},{_NOT_HUNG_UP}}}",
            window,
            (*_IDENTITY_LABELS[view], "le"),
        )
        for view in View
    )


def read_requests(rows: Iterable[Row], subjects: Sequence[Subject]) -> Mapping[Subject, Traffic]:
    """Return what the answer to `requests_query` says about each of `subjects`."""
    sums: dict[tuple[str, ...], Count] = defaultdict(Count)
    for row in rows:
        code, flags, protocol, grpc_status = (row.labels.get(name, "") for name in _OUTCOME_LABELS)
        outcome = outcome_of(code, flags, protocol, grpc_status)
        sums[_identity(row)] += Count.of(outcome, row.value)
    return {subject: {view: _tracks(sums, subject, view) for view in View} for subject in subjects}


def read_durations(rows: Iterable[Row], subjects: Sequence[Subject]) -> Mapping[Subject, Durations]:
    """Return what the answer to `durations_query` says about each of `subjects`."""
    found: dict[tuple[str, ...], dict[float, float]] = defaultdict(dict)
    for row in rows:
        bound = _bound(row.labels.get("le", ""))
        if bound is not None:
            found[_identity(row)][bound] = row.value
    return {subject: dict(_histograms(found, subject)) for subject in subjects}


def _matchers(view: View, subjects: Sequence[Subject], tracks: Sequence[Track]) -> str:
    identities = (subject.identity(view, track) for subject in subjects for track in tracks)
    columns = zip(*identities, strict=True)
    named = zip(_IDENTITY_LABELS[view], columns, strict=True)
    return ",".join((_REPORTERS[view], *(f"{label}=~{one_of(values)}" for label, values in named)))


def _identity(row: Row) -> tuple[str, ...]:
    """Return the values that name the row's track; each view has label names of its own."""
    view = View.CALLERS if "destination_service" in row.labels else View.PODS
    return tuple(row.labels.get(name, "") for name in _IDENTITY_LABELS[view])


def _tracks(sums: Mapping[tuple[str, ...], Count], subject: Subject, view: View) -> Tracks:
    return Tracks(
        stable=sums.get(subject.identity(view, "stable"), Count()),
        canary=sums.get(subject.identity(view, "canary"), Count()),
    )


def _histograms(
    found: Mapping[tuple[str, ...], Buckets], subject: Subject
) -> Iterator[tuple[View, Buckets]]:
    for view in View:
        buckets = found.get(subject.identity(view, "canary"))
        if buckets:
            yield view, buckets


def _bound(text: str) -> float | None:
    try:
        bound = float(text)
    except ValueError:
        return None
    return None if math.isnan(bound) else bound
