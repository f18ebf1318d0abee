"""Words for what is played and what comes of it; shared by screens, pictures and exports."""

from collections.abc import Iterator
from datetime import timedelta
from math import exp

from canary_operator.domain.durations import format_duration
from canary_operator.domain.figures import number
from canary_operator.plugin.offline.simulation.outcomes import Share
from canary_operator.plugin.offline.simulation.scenario import Change, Event, Scenario, When
from canary_operator.plugin.offline.simulation.traffic import SPREAD

ALL = 100
Z95_ONE_SIDED, Z99_ONE_SIDED = 1.644854, 2.326348
"""Standard normal quantiles that 5 % and 1 % exceed."""

REQUESTS = {
    "pause": "a person pauses",
    "resume": "a person resumes",
    "promote": "a person promotes",
    "abort": "a person aborts",
}


def event_words(event: Event) -> str:
    """Return what begins with an event, for example `the canary fails 5 % of its requests`."""
    if event.canary == event.stable:
        changes = _changes("both versions", "", event.canary)
    else:
        changes = [*_changes("the canary", "s", event.canary)]
        changes += _changes("stable", "s", event.stable)
    told = ", ".join([*changes, *_others(event)]) or "nothing changes"
    return f"{told}, for {format_duration(event.lasts)}" if event.lasts else told


def when_words(when: When) -> str:
    """Return a moment, for example `from step 2 on`."""
    if when.step is not None:
        return f"from step {when.step} on"
    if when.promotion:
        return "from the promotion on"
    return f"from {format_duration(when.after)} on" if when.after else "all the time"


def surroundings_words(scenario: Scenario, *, timed: bool) -> str:
    """Return what is so all the time, for example `100 requests/s, 0.1 % of which fail`.

    Args:
        scenario: What is played.
        timed: Whether it matters how long requests take.
    """
    words = (
        f"{number(scenario.rps)} requests/s, {number(100 * scenario.base_error_rate)} % of which "
        "fail with either version"
    )
    return f"{words}; {latency_words(scenario.base_latency)}" if timed else words


def latency_words(median: timedelta) -> str:
    """Return how long requests take.

    Example:
        >>> latency_words(timedelta(milliseconds=40))
        'answers after 40 ms (median; 95 % within 91 ms, 99 % within 128 ms)'
    """
    middle = median / timedelta(milliseconds=1)
    p95, p99 = (f"{middle * exp(SPREAD * z):,.3g}" for z in (Z95_ONE_SIDED, Z99_ONE_SIDED))
    return f"answers after {middle:,.3g} ms (median; 95 % within {p95} ms, 99 % within {p99} ms)"


def uncounted_words(protocol: str) -> str:
    """Return what it means that Istio does not count the requests of a service."""
    return (
        f"The service's first port is declared as {protocol}, whose requests Istio does not count: "
        "built-in metrics never have data."
    )


def _changes(who: str, ending: str, change: Change) -> list[str]:
    whose = "its" if ending else "their"
    told = []
    if change.errors is not None:
        verb = "fails" if ending else "fail"
        told.append(f"{who} {verb} {number(100 * change.errors)} % of {whose} requests")
    if change.hang_up is not None:
        share = number(100 * change.hang_up)
        told.append(f"{share} % of the callers of {who} hang up before the response")
    if change.latency is not None:
        verb = "answers" if ending else "answer"
        told.append(f"{who} {verb} after {_length(change.latency)}")
    return told


def _others(event: Event) -> Iterator[str]:
    if event.rps is not None:
        yield f"{number(event.rps)} requests/s" if event.rps else "nobody sends a request"
    if event.bypass:
        yield "no caller follows the route"
    if event.prometheus_down:
        yield "Prometheus is down"
    if event.crash:
        yield "the new version's pods crash"
    if event.request is not None:
        yield REQUESTS.get(event.request, f"a person asks for {event.request}")
    for name, value in event.queries.items():
        yield f"the query of {name} gives {number(value)}"


def _length(median: timedelta) -> str:
    return f"{format_duration(median)} (median)"


def since_start(at: timedelta) -> str:
    """Return a time since the start, rounded down to seconds, for example `1:37`.

    Example:
        >>> since_start(timedelta(seconds=97.9)), since_start(timedelta(hours=1, seconds=5))
        ('1:37', '1:00:05')
    """
    minutes, seconds = divmod(int(at.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"


def percent(share: float) -> str:
    """Return a share as a percentage with three digits that count, for example `97.2 %`."""
    return f"{ALL * share:.3g} %"


def interval_words(share: Share) -> str:
    """Return the 95 % interval of a share, for example `96 % to 98.1 %`."""
    low, high = share.interval
    return f"{percent(low)} to {percent(high)}"
