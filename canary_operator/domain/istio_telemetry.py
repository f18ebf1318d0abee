"""Istio's standard metrics: which queries count the requests of many rollouts at once.

One query covers both views and a whole sequence of rollouts, so the number of queries does not
grow with the number of rollouts, up to `SUBJECTS_PER_QUERY`.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Generic, Literal, TypeAlias, TypeVar

from canary_operator.domain.counts import (
    HUNG_UP_FLAG,
    Buckets,
    Count,
    Durations,
    Histograms,
    Tracks,
    Traffic,
    View,
    outcome_of,
)
from canary_operator.domain.objects import MATCH
from canary_operator.domain.promql import counted, one_of

SUBJECTS_PER_QUERY = 200
"""Most rollouts in one query: about 200 kB of PromQL with long names, which travel as a form."""

PASTS_PER_QUERY = 50
"""Most rollouts in one query for the past of their failures; the answer has a row for each pod."""

SLOW_PASTS_PER_QUERY = 10
"""The same for the past of their durations, with a row for each pod and bucket."""

_Counted = TypeVar("_Counted", Count, dict[float, float])

Track: TypeAlias = Literal["stable", "canary"]
TRACKS: tuple[Track, ...] = ("stable", "canary")

_REQUESTS = "istio_requests_total"
_DURATIONS = "istio_request_duration_milliseconds_bucket"
POD_LABELS = ("instance", "pod")
"""Labels that Prometheus gives the series of a pod when it scrapes it."""
_OUTCOME_LABELS = ("response_code", "response_flags", "request_protocol", "grpc_response_status")
_IDENTITY_LABELS: Mapping[View, tuple[str, ...]] = {
    View.CALLERS: ("destination_service",),
    View.PODS: ("destination_workload_namespace", "destination_workload"),
}
_REPORTERS: Mapping[View, str] = {
    View.CALLERS: 'reporter="source"',
    View.PODS: 'reporter=~"destination|waypoint"',
}
_FOCUSED_LABELS = ("reporter", "destination_service")
_FOCUSED_REPORTERS: Mapping[View, str] = {View.CALLERS: "source", View.PODS: "waypoint"}
_WITH_CODE = 'response_code!=""'
"""Where an admin removed that label, nothing can be told: no data is better than all bad."""
_NOT_HUNG_UP = f'response_flags!~"(.*,)?{HUNG_UP_FLAG}(,.*)?"'


@dataclass(frozen=True, slots=True)
class Subject:
    """A rollout as telemetry knows it."""

    namespace: str
    name: str
    cluster_domain: str = "cluster.local"
    focused: bool = False
    """Whether the canary is for a group of requests only; see `identity`."""

    def workload(self, track: Track) -> str:
        """Return the name of a track's Deployment and Service."""
        return f"{self.name}-{track}"

    def host(self, track: Track | None = None) -> str:
        """Return the full name of a track's Service, or of the Service that callers use."""
        service = self.workload(track) if track else self.name
        return f"{service}.{self.namespace}.svc.{self.cluster_domain}"

    def identity(self, view: View, track: Track) -> tuple[str, ...]:
        """Return the values of the labels that name a track in `view`.

        With a focused canary, only what stable serves of the group counts. That goes to a Service
        of its own, whose name callers' proxies and waypoints know. A pod's own proxy does not: it
        names the first of all Services that select the pod (`addTelemetryMetadata` in Istio's
        `cluster_builder.go`), so by its view nothing can be told.
        """
        if self.focused:
            service = f"{self.name}-{MATCH}" if track == "stable" else self.workload(track)
            host = f"{service}.{self.namespace}.svc.{self.cluster_domain}"
            return (_FOCUSED_REPORTERS[view], host)
        if view is View.CALLERS:
            return (self.host(track),)
        return (self.namespace, self.workload(track))


@dataclass(frozen=True, slots=True)
class Row:
    """One element of an instant vector."""

    labels: Mapping[str, str]
    value: float


@dataclass(frozen=True, slots=True)
class Series:
    """One element of a matrix."""

    labels: Mapping[str, str]
    values: Sequence[tuple[float, float]]
    """Moments, in seconds since 1970, and values."""


def requests_query(subjects: Sequence[Subject], window: timedelta) -> str:
    """Return the query that counts the requests of both tracks by outcome."""
    return " or ".join(
        counted(f"{_REQUESTS}{{{matchers},{_WITH_CODE}}}", window, (*names, *_OUTCOME_LABELS))
        for names, matchers in _selections(subjects)
    )


def durations_query(subjects: Sequence[Subject], window: timedelta) -> str:
    """Return the query for the histograms of both tracks, without callers that hung up."""
    return " or ".join(
        counted(f"{_DURATIONS}{{{matchers},{_NOT_HUNG_UP}}}", window, (*names, "le"))
        for names, matchers in _selections(subjects)
    )


def _selections(subjects: Sequence[Subject]) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield labels that name tracks, and what selects the series that have them."""
    plain = [subject for subject in subjects if not subject.focused]
    focused = [subject for subject in subjects if subject.focused]
    for view in View if plain else ():
        yield _IDENTITY_LABELS[view], _matchers(view, plain, TRACKS)
    if focused:
        hosts = [one.identity(View.CALLERS, track)[1] for one in focused for track in TRACKS]
        reporters = one_of(_FOCUSED_REPORTERS.values())
        yield _FOCUSED_LABELS, f"reporter=~{reporters},destination_service=~{one_of(hosts)}"


def past_requests_query(subjects: Sequence[Subject], window: timedelta) -> str:
    """Return the query that counts the requests of each of stable's pods by outcome."""
    return counted(
        f"{_REQUESTS}{{{_of_stable_pods(subjects)},{_WITH_CODE}}}",
        window,
        (*_IDENTITY_LABELS[View.PODS], *POD_LABELS, *_OUTCOME_LABELS),
    )


def past_durations_query(subjects: Sequence[Subject], window: timedelta) -> str:
    """Return the query for the histogram of each of stable's pods."""
    return counted(
        f"{_DURATIONS}{{{_of_stable_pods(subjects)},{_NOT_HUNG_UP}}}",
        window,
        (*_IDENTITY_LABELS[View.PODS], *POD_LABELS, "le"),
    )


def _of_stable_pods(subjects: Sequence[Subject]) -> str:
    return _matchers(View.PODS, [_plain(subject) for subject in subjects], ("stable",))


def read_past_requests(
    series: Iterable[Series], subjects: Sequence[Subject]
) -> Mapping[Subject, Sequence[Mapping[str, Count]]]:
    """Return what the answer to `past_requests_query` says, window by window."""
    pasts: _Pasts[Count] = _Pasts(subjects)
    for one in series:
        code, flags, protocol, grpc_status = (one.labels.get(name, "") for name in _OUTCOME_LABELS)
        outcome = outcome_of(code, flags, protocol, grpc_status)
        for moment, value in one.values:
            pods = pasts.of(one, moment)
            pods[_pod(one)] = pods.get(_pod(one), Count()) + Count.of(outcome, value)
    return pasts.in_order()


def read_past_durations(
    series: Iterable[Series], subjects: Sequence[Subject]
) -> Mapping[Subject, Sequence[Mapping[str, Buckets]]]:
    """Return what the answer to `past_durations_query` says, window by window."""
    pasts: _Pasts[dict[float, float]] = _Pasts(subjects)
    for one in series:
        bound = _bound(one.labels.get("le", ""))
        for moment, value in one.values if bound is not None else ():
            pasts.of(one, moment).setdefault(_pod(one), {})[bound or 0.0] = value
    return pasts.in_order()


class _Pasts(Generic[_Counted]):
    """Windows of some rollouts, and in each of them something for each pod."""

    def __init__(self, subjects: Sequence[Subject]) -> None:
        self._windows: dict[tuple[str, ...], dict[float, dict[str, _Counted]]] = {
            _plain(subject).identity(View.PODS, "stable"): {} for subject in subjects
        }
        self._subjects = subjects

    def of(self, one: Series, moment: float) -> dict[str, _Counted]:
        identity = tuple(one.labels.get(name, "") for name in _IDENTITY_LABELS[View.PODS])
        return self._windows.setdefault(identity, {}).setdefault(moment, {})

    def in_order(self) -> dict[Subject, list[dict[str, _Counted]]]:
        return {
            subject: [pods for _, pods in sorted(self._found(subject).items())]
            for subject in self._subjects
        }

    def _found(self, subject: Subject) -> dict[float, dict[str, _Counted]]:
        return self._windows[_plain(subject).identity(View.PODS, "stable")]


def _plain(subject: Subject) -> Subject:
    """Return a subject as if its canary were for all: how failures of a pod clump is the same."""
    return replace(subject, focused=False)


def _pod(one: Series) -> str:
    return " ".join(one.labels.get(name, "") for name in POD_LABELS)


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
    if "reporter" in row.labels:
        return tuple(row.labels.get(name, "") for name in _FOCUSED_LABELS)
    view = View.CALLERS if "destination_service" in row.labels else View.PODS
    return tuple(row.labels.get(name, "") for name in _IDENTITY_LABELS[view])


def _tracks(sums: Mapping[tuple[str, ...], Count], subject: Subject, view: View) -> Tracks:
    return Tracks(
        stable=sums.get(subject.identity(view, "stable"), Count()),
        canary=sums.get(subject.identity(view, "canary"), Count()),
    )


def _histograms(
    found: Mapping[tuple[str, ...], Buckets], subject: Subject
) -> Iterator[tuple[View, Histograms]]:
    for view in View:
        stable, canary = (found.get(subject.identity(view, track), {}) for track in TRACKS)
        if stable or canary:
            yield view, Histograms(stable, canary)


def _bound(text: str) -> float | None:
    try:
        bound = float(text)
    except ValueError:
        return None
    return None if math.isnan(bound) else bound
