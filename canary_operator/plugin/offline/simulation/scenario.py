"""What happens while a rollout is played, and the words for it on a command line.

    SCENARIO = PART[,PART…]      PART = KIND[=VALUE][@AT][/FOR]

    errors=5%@step2      from step 2 on the canary fails 5 % of its requests
    outage=50%@90s/2m    both versions fail half of theirs, from 1m30s on, for two minutes

`AT` is a time since the rollout began, `stepN` (counted from 1, when the canary gets its weight),
or `promotion`; the beginning when left out. `FOR` is how long it lasts; to the end when left out.
"""

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from math import isnan, nan
from typing import Any

from canary_operator.domain.durations import parse_duration
from canary_operator.domain.spec.kinds import percentage
from canary_operator.plugin.exits import UsageProblemError


@dataclass(frozen=True, slots=True)
class When:
    """A moment of a rollout, as a person names it."""

    after: timedelta = timedelta()
    """Time since the rollout began."""
    step: int | None = None
    """When the canary gets the weight of this step, counted from 1; then `after` is of no use."""
    or_last: bool = False
    """Whether the last step is meant where there are fewer."""
    promotion: bool = False
    """When stable begins to be rolled to the new version; then `after` is of no use."""


@dataclass(frozen=True, slots=True)
class Change:
    """What is other than usual about one version; None is as usual."""

    errors: float | None = None
    """Share of its requests that fail, 0 to 1."""
    hang_up: float | None = None
    """Share of its callers that give up before the response, 0 to 1."""
    latency: timedelta | None = None
    """Median time to a response."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that begins at one moment, and perhaps ends."""

    at: When = When()
    lasts: timedelta | None = None
    """None is to the end."""
    canary: Change = Change()
    stable: Change = Change()
    rps: float | None = None
    """Requests a second of both versions together."""
    bypass: bool = False
    """Whether no caller follows the route, so that stable gets every request."""
    prometheus_down: bool = False
    crash: bool = False
    """Whether the new version's pods are not available."""
    request: str | None = None
    """What a person asks for."""
    queries: Mapping[str, float] = field(default_factory=dict)
    """What custom queries give, by the name of their metric."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """Everything about the surroundings of a rollout that is played."""

    name: str = "healthy"
    """As it was asked for."""
    events: tuple[Event, ...] = ()
    rps: float = 100.0
    """Requests a second of both versions together."""
    base_error_rate: float = 0.001
    """Share of the requests that fail with either version, 0 to 1."""
    base_latency: timedelta = timedelta(milliseconds=40)
    """Median time to a response of either version."""
    approve_after: timedelta | None = timedelta(seconds=10)
    """How long a step waits for a person's approval; None is for ever."""
    queries: Mapping[str, float] = field(default_factory=dict)
    """What custom queries give, by the name of their metric; inside of its limits if left out."""


ALWAYS, STEP_2 = When(), When(step=2, or_last=True)

HEALTHY = "healthy"
"""The scenario in which nothing happens."""

MOST_RPS = 10_000_000
"""Most requests a second."""

_SHARE = percentage(with_zero=True, with_hundred=True)
_PART = re.compile(r"([a-z-]+)(?:=([^@/]*))?(?:@([^/]*))?(?:/(.*))?")
_STEP = re.compile(r"step([1-9][0-9]?)")


@dataclass(frozen=True, slots=True)
class _Kind:
    """One thing that may happen."""

    event: Callable[[Any], Event]
    """Makes the event of a value."""
    read: Callable[[str], Any] | None = None
    """Reads the value; None where there is none."""
    example: str = ""
    usual: str | None = None
    """The value where none is given; None where there has to be one."""
    at: When = ALWAYS
    lasts: timedelta | None = None


def share_of(text: str) -> float:
    """Return a share of requests, 0 to 1, that is written as a percentage.

    Raises:
        UsageProblemError: it is none; says how to write one.

    Example:
        >>> share_of("0.5%")
        0.005
    """
    try:
        return float(_SHARE.read(text))
    except ValueError:
        advice = _SHARE.advice(text) or "write a percentage such as 5% or 0.1%"
        raise UsageProblemError(f"{text!r} is no share of the requests: {advice}") from None


def rate_of(text: str) -> float:
    """Return a number of requests a second.

    Raises:
        UsageProblemError: it is none.
    """
    try:
        rate = float(text)
    except ValueError:
        rate = nan
    if isnan(rate) or rate < 0:
        raise UsageProblemError(f"{text!r} is no number of requests a second, such as 100")
    if rate > MOST_RPS:
        raise UsageProblemError(f"{text!r} is more than the {MOST_RPS:,} requests a second at most")
    return rate


def when_of(text: str) -> When:
    """Return the moment that `step2`, `90s` or `promotion` means.

    Raises:
        UsageProblemError: it is none of them.
    """
    step = _STEP.fullmatch(text)
    if step:
        return When(step=int(step[1]))
    if text == "promotion":
        return When(promotion=True)
    try:
        return When(after=parse_duration(text))
    except ValueError:
        raise UsageProblemError(
            f"{text!r} is no moment of a rollout: write step2, a time such as 90s, or promotion"
        ) from None


def parse_events(text: str) -> tuple[Event, ...]:
    """Return what the words of a command line mean.

    Raises:
        UsageProblemError: a part makes no sense; says which, and what would.
    """
    if text.strip() == HEALTHY:
        return ()
    parts = [part.strip() for part in text.split(",")]
    if HEALTHY in parts:
        raise UsageProblemError(
            f"--scenario {text}: {HEALTHY} means that nothing happens, and stands alone"
        )
    return tuple(_event(part) for part in parts)


def fitted(events: tuple[Event, ...], steps: int) -> tuple[Event, ...]:
    """Return the events for a rollout with so many steps.

    Raises:
        UsageProblemError: one is to begin at a step that there is not.
    """
    return tuple(replace(event, at=_fitted(event.at, steps)) for event in events)


def _fitted(at: When, steps: int) -> When:
    if at.step is None or at.step <= steps:
        return at
    if at.or_last:
        return replace(at, step=steps)
    there_are = "there is only one step" if steps == 1 else f"there are only {steps} steps"
    raise UsageProblemError(f"the scenario begins something at step{at.step}, but {there_are}")


def _event(part: str) -> Event:
    match = _PART.fullmatch(part)
    kind = KINDS.get(match[1]) if match else None
    if match is None or kind is None:
        raise UsageProblemError(f"--scenario: {part!r} is unknown", _advice(part))
    word, value, at, lasts = match.groups()
    try:
        event = kind.event(_value(kind, word, value))
        moment = kind.at if at is None else when_of(at)
        length = kind.lasts if lasts is None else _length(lasts)
    except UsageProblemError as error:
        raise UsageProblemError(f"--scenario {part}: {error.message}") from None
    return replace(event, at=moment, lasts=length)


def _value(kind: _Kind, word: str, value: str | None) -> Any:
    if kind.read is None:
        if value is not None:
            raise UsageProblemError(f"{word} takes no value")
        return None
    given = kind.usual if value is None else value
    if not given:
        raise UsageProblemError(f"{word} needs a value; write for example {word}={kind.example}")
    return kind.read(given)


def _length(text: str) -> timedelta:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise UsageProblemError(str(error)) from None


def _advice(part: str) -> str:
    word = re.split(r"[=@/]", part)[0]
    close = difflib.get_close_matches(word, [*KINDS, HEALTHY], n=1)
    known = ", ".join([HEALTHY, *(_shown(word, kind) for word, kind in KINDS.items())])
    hint = f"Did you mean {close[0]}? " if close else ""
    return (
        f"{hint}Known are {known}, each with @AT and /FOR (errors=5%@step2/1m); "
        "or name a .yaml file."
    )


def _shown(word: str, kind: _Kind) -> str:
    return f"{word}={kind.example}" if kind.read and kind.usual is None else word


def _of_both(errors: float) -> Event:
    return Event(canary=Change(errors=errors), stable=Change(errors=errors))


KINDS: Mapping[str, _Kind] = {
    "errors": _Kind(lambda share: Event(canary=Change(errors=share)), share_of, "5%"),
    "latency": _Kind(lambda length: Event(canary=Change(latency=length)), _length, "2s"),
    "hangup": _Kind(lambda share: Event(canary=Change(hang_up=share)), share_of, "5%"),
    "outage": _Kind(_of_both, share_of, "50%", "50%", STEP_2, timedelta(minutes=2)),
    "no-traffic": _Kind(lambda _: Event(rps=0.0)),
    "rps": _Kind(lambda rate: Event(rps=rate), rate_of, "10"),
    "bypass": _Kind(lambda _: Event(bypass=True)),
    "crashloop": _Kind(lambda _: Event(crash=True)),
    "prometheus-down": _Kind(lambda _: Event(prometheus_down=True)),
}
"""Everything that may happen, by its word."""
