"""A scenario as a YAML file; the same as on the command line, and more.

```yaml
rps: 200                     # requests a second of both versions together
baseErrorRate: 0.1%
approveAfter: 5m             # or never
events:
- {at: step2, canary: {errors: 5%, latency: 2s}, for: 1m}
- {at: 90s, both: {errors: 50%}, prometheus: down, for: 2m}
- {at: 3m, request: abort}
```
"""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field

from canary_operator.domain.spec.kind import Kind
from canary_operator.domain.spec.kinds import duration, number, percentage, whole
from canary_operator.domain.spec.problems import find_problems
from canary_operator.domain.spec.schema import Written
from canary_operator.plugin.exits import PluginError, UsageProblemError
from canary_operator.plugin.offline.simulation.scenario import (
    MOST_RPS,
    Change,
    Event,
    Scenario,
    When,
    when_of,
)

SUFFIXES = frozenset({".yaml", ".yml", ".json"})
"""What files are told by, from words of the language."""

NEVER = "never"


def _moment() -> Kind:
    def read(value: Any) -> When:
        try:
            return value if isinstance(value, When) else when_of(value)
        except (TypeError, PluginError):
            raise ValueError(value) from None

    return Kind(
        message="must be step2, a time such as 90s since the rollout began, or promotion",
        read=read,
        schema={"type": "string"},
    )


def _rate() -> Kind:
    def read(value: Any) -> float:
        rate = float(number().read(value))
        if not 0 <= rate <= MOST_RPS:
            raise ValueError(value)
        return rate

    words = f"must be requests a second, from 0 to {MOST_RPS}"
    return Kind(message=words, read=read, schema={"type": "number"})


def _patience() -> Kind:
    length = duration(timedelta())

    def read(value: Any) -> timedelta | None:
        return None if value == NEVER else length.read(value)

    return Kind(message="must be a duration such as 5m, or never", read=read, schema={})


Share = Annotated[float, percentage(with_zero=True, with_hundred=True)]
Length = Annotated[timedelta, duration(timedelta(milliseconds=1))]
Queries = dict[str, Annotated[float, number()]]


class WrittenChange(Written):
    """What is other than usual about the pods of a version."""

    errors: Share | None = None
    """Share of its requests that fail."""

    hang_up: Share | None = None
    """Share of its callers that give up before the response."""

    latency: Length | None = None
    """Median time to a response."""


class WrittenEvent(Written):
    """Something that begins at one moment."""

    at: Annotated[When, _moment()] = When()
    """When: `step2`, `90s` or `promotion`; at the beginning when left out."""

    lasts: Length | None = Field(default=None, alias="for")
    """How long; to the end when left out."""

    canary: WrittenChange | None = None
    """What changes about the new version."""

    stable: WrittenChange | None = None
    """What changes about the old version."""

    both: WrittenChange | None = None
    """What changes about both versions, unless one of them says otherwise."""

    rps: Annotated[float, _rate()] | None = None
    """Requests a second of both versions together."""

    bypass: bool = Field(default=False, strict=True)
    """Whether no caller follows the route."""

    prometheus: Literal["up", "down"] | None = None
    """Whether Prometheus answers."""

    pods: Literal["crash"] | None = None
    """What the new version's pods do."""

    request: Literal["pause", "resume", "promote", "abort"] | None = None
    """What a person asks for."""

    queries: Queries = Field(default_factory=dict)
    """What custom queries give, by the name of their metric."""

    @property
    def event(self) -> Event:
        """The same, as it is played."""
        return Event(
            at=self.at,
            lasts=self.lasts,
            canary=_change(self.canary, self.both),
            stable=_change(self.stable, self.both),
            rps=self.rps,
            bypass=self.bypass,
            prometheus_down=self.prometheus == "down",
            crash=self.pods == "crash",
            request=self.request,
            queries=self.queries,
        )


def _change(own: WrittenChange | None, both: WrittenChange | None) -> Change:
    """Return what changes about a version; what is said of it alone outranks what is of both."""
    changes = [one for one in (both, own) if one is not None]
    given = {
        field: value
        for one in changes
        for field, value in (
            ("errors", one.errors),
            ("hang_up", one.hang_up),
            ("latency", one.latency),
        )
        if value is not None
    }
    return Change(**given)  # type: ignore[arg-type]


class WrittenScenario(Written):
    """A whole scenario."""

    rps: Annotated[float, _rate()] | None = None
    """Requests a second of both versions together; 100 when left out."""

    base_error_rate: Share | None = None
    """Share of the requests that fail with either version; 0.1% when left out."""

    base_latency: Length | None = None
    """Median time to a response; 40ms when left out."""

    seed: Annotated[int, whole(0, 2**53)] | None = None
    """What chance begins with; 0 when left out."""

    approve_after: Annotated[timedelta | None, _patience()] = Scenario().approve_after
    """How long a step waits for a person's approval, or `never`; 10s when left out."""

    queries: Queries = Field(default_factory=dict)
    """What custom queries give, by the name of their metric; inside of its limits if left out."""

    events: tuple[WrittenEvent, ...] = ()
    """What happens."""

    def scenario(self, name: str) -> Scenario:
        """Return the same, as it is played."""
        given = {
            "rps": self.rps,
            "base_error_rate": self.base_error_rate,
            "base_latency": self.base_latency,
        }
        return Scenario(
            name=name,
            events=tuple(one.event for one in self.events),
            approve_after=self.approve_after,
            queries=self.queries,
            **{field: value for field, value in given.items() if value is not None},  # type: ignore[arg-type]
        )


def is_file(scenario: str) -> bool:
    """Whether a scenario is a file, and no word of the command line."""
    return Path(scenario).suffix in SUFFIXES


def read_file(path: Path) -> WrittenScenario:
    """Return the scenario that a file tells.

    Raises:
        UsageProblemError: the file cannot be read, or says something that makes no sense.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageProblemError(f"{path}: {error.strerror or error}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UsageProblemError(f"{path}: {' '.join(str(error).split())}") from None
    given = {} if content is None else content
    written, problems = find_problems(WrittenScenario, given, root="scenario")
    if written is None:
        told = " ".join(problem.sentence for problem in problems)
        raise UsageProblemError(f"{path}: {told}")
    return written
