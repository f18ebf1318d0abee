"""Advice about the analysis: whether what is measured can tell a good version from a bad one."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from fractions import Fraction
from math import ceil

from canary_operator.domain.acceptance import check_interval, shares_for_percentages
from canary_operator.domain.errors import InvalidSpecError
from canary_operator.domain.figures import amount, number, seconds
from canary_operator.domain.situation import Settings
from canary_operator.domain.spec import MetricCheck
from canary_operator.domain.spec.schema import Place
from canary_operator.plugin.offline.lint.findings import Severity
from canary_operator.plugin.offline.lint.rules import Note, Rollout, Rule, SpecRule, split_advice

ANALYSIS: Place = ("spec", "analysis")
MIN_REQUESTS: Place = (*ANALYSIS, "minRequests")
ALL = 100

READ_BY_REQUEST = frozenset({"grpc", "grpc-web", "http", "http2"})
"""Protocols of ports whose requests Istio counts."""

MUCH_TRAFFIC = 10
"""Requests/s of a whole service that not every service has."""

_PART = re.compile(r"([A-Za-z]+)|\[(\d+)\]")


@dataclass(frozen=True, slots=True)
class Limit:
    """The limit of one metric, as the share of requests that has to be good."""

    metric: MetricCheck
    percent: float

    @property
    def tolerated(self) -> Fraction:
        """Share of requests that may be bad."""
        return 1 - Fraction(str(self.percent)) / ALL

    @property
    def words(self) -> str:
        """How the spec says it."""
        field = "successRate.min" if self.metric.success_rate else "latency.percentile"
        return f"{field}: {number(self.percent)}"


def _limits(at: Rollout) -> Iterator[Limit]:
    for metric in at.spec.analysis.metrics:
        rate, latency = metric.success_rate, metric.latency
        asked = rate.min if rate else latency.percentile if latency else None
        if asked is not None and not metric.dry_run:
            yield Limit(metric, asked)


def few_requests_decide(at: Rollout) -> Iterator[Note]:
    """Where one bad request is more than the limit tolerates, chance decides."""
    analysis = at.spec.analysis
    strictest = min(_limits(at), key=lambda limit: limit.tolerated, default=None)
    fewest = analysis.min_requests
    if strictest is None or fewest * strictest.tolerated >= 1:
        return
    left_out = "" if "min_requests" in analysis.model_fields_set else "left out, which means "
    bad = "failed" if strictest.metric.success_rate else "slow"
    times = analysis.failure_limit + 1
    roll_back = "one such check rolls back" if times == 1 else f"{times} such checks roll back"
    yield Note(
        MIN_REQUESTS,
        f"minRequests is {left_out}{fewest}, and {strictest.words} tolerates {_share(strictest)}: "
        f"where a check sees no more, one {bad} request fails it, and {roll_back}.",
        _bearing_one(at, strictest),
    )


def _share(limit: Limit) -> str:
    return f"{number(float(limit.tolerated * ALL))} %" if limit.tolerated else "none"


def _bearing_one(at: Rollout, limit: Limit) -> str:
    compare = "" if at.spec.analysis.comparison else "; or ask for analysis.comparison"
    if not limit.tolerated:
        return f"{limit.words.partition(':')[0]}: 99.9 with minRequests: 1000{compare}."
    least = ceil(1 / limit.tolerated)
    weight = at.spec.strategy.resolved_steps[0].weight
    return (
        f"minRequests: {least} bears one; that takes {amount(_needed_rate(at, least, at.window))} "
        f"requests/s to the service at the first weight, {weight} %{compare}."
    )


def _needed_rate(at: Rollout, requests: int, length: timedelta) -> int:
    """Return the requests/s of the service that give the canary so many in its first check."""
    weight = at.spec.strategy.resolved_steps[0].weight
    return ceil(Fraction(requests * ALL, weight) / Fraction(length / timedelta(seconds=1)))


def needs_traffic(at: Rollout) -> Iterator[Note]:
    """The commonest end of a first rollout: too few requests for any check."""
    analysis = at.spec.analysis
    judged = any(metric.compared and not metric.dry_run for metric in analysis.metrics)
    length = analysis.interval if analysis.comparison else at.window
    needed = _needed_rate(at, analysis.min_requests, length)
    if not judged or needed <= MUCH_TRAFFIC or next(few_requests_decide(at), None):
        return  # the advice of the last one has such a number already
    yield Note(
        MIN_REQUESTS,
        f"At the first weight, {at.spec.strategy.resolved_steps[0].weight} %, the service needs "
        f"{amount(needed)} requests/s for {amount(analysis.min_requests)} to the canary in "
        f"{seconds(length)}; with fewer, checks cannot tell and the rollout ends as NoData.",
    )


def percent_mistake(at: Rollout) -> Iterator[Note]:
    """A share where a percentage is asked."""
    for doubt in shares_for_percentages(at.spec):
        sentence, advice = split_advice(doubt)
        yield Note(_place_at_start(sentence), sentence, advice)


def _place_at_start(sentence: str) -> Place:
    """Return the place that a sentence begins with.

    Example:
        >>> _place_at_start("spec.analysis.metrics[0].query is odd.")
        ('spec', 'analysis', 'metrics', 0, 'query')
    """
    parts = _PART.finditer(sentence.partition(" ")[0])
    return tuple(int(part[2]) if part[2] else part[1] for part in parts)


def query_without_canary(at: Rollout) -> Iterator[Note]:
    """A query that never names the canary measures somebody else."""
    for index, metric in enumerate(at.spec.analysis.metrics):
        query = metric.query
        if query and not metric.dry_run and "canary" not in query.promql.lower():
            yield Note(
                (*ANALYSIS, "metrics", index, "query", "promql"),
                f"The query of {metric.name} never says {{{{ canary }}}}, so it measures stable "
                "too, or only stable, and a bad canary may not show.",
                'Select the canary, for example with {destination_workload="{{ canary }}"}.',
            )


def interval_below_scrapes(at: Rollout) -> Iterator[Note]:
    """An interval in which Prometheus learns nothing new; refused for new specs."""
    try:
        check_interval(at.spec, Settings(scrape_interval=at.operator.scrape_interval))
    except InvalidSpecError as error:
        sentence, _ = split_advice(error.message)
        yield Note(
            (*ANALYSIS, "interval"),
            f"{sentence.removesuffix('.')}; the operator refuses it.",
            "If the operator's --prometheus-scrape-interval is shorter, give it to lint too.",
        )


def unseen_protocol(at: Rollout) -> Iterator[Note]:
    """Istio counts requests only where it can read them."""
    port = at.spec.service.all_ports[0]
    protocol = port.app_protocol or port.name.partition("-")[0]
    if port.name.startswith("grpc-web") and port.app_protocol is None:
        return
    judged = any(metric.compared and not metric.dry_run for metric in at.spec.analysis.metrics)
    known = protocol in READ_BY_REQUEST or protocol.startswith("kubernetes.io/")
    if judged and not known:
        short = at.spec.service.port is not None
        place: Place = ("portName",) if short else ("ports", 0, "name")
        yield Note(
            ("spec", "service", *place),
            f"Port {port.port} is declared as {protocol}, whose requests Istio does not count: no "
            "built-in check ever has data, and every rollout ends as NoData.",
            "Declare it as http or grpc if it is, or judge by a query of your own.",
        )


ANALYSIS_RULES: tuple[SpecRule, ...] = (
    Rule("few-requests-decide", Severity.WARNING, few_requests_decide),
    Rule("percent-mistake", Severity.WARNING, percent_mistake),
    Rule("query-without-canary", Severity.WARNING, query_without_canary),
    Rule("interval-below-scrapes", Severity.WARNING, interval_below_scrapes),
    Rule("unseen-protocol", Severity.WARNING, unseen_protocol),
    Rule("needs-traffic", Severity.INFO, needs_traffic),
)
