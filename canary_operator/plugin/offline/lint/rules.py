"""What a rule is: a name, how much it matters, and a pure function that yields notes.

Rules are grouped by what they look at, and each group is a table at the end of its module:

    objects.py     one object, valid or not: what the API server or the models refuse
    acceptance.py  one valid CanaryRollout: what the operator refuses
    pods.py  strategy.py  timing.py  analysis.py    one valid CanaryRollout: advice
    names.py  routes.py  autoscalers.py             all objects together

To add one, write the function and put it into the table; the tests have one row for each.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Generic, TypeVar

from canary_operator.domain.situation import Settings
from canary_operator.domain.spec import Problem, RolloutSpec
from canary_operator.domain.spec.schema import Place
from canary_operator.plugin.offline.documents import Document
from canary_operator.plugin.offline.lint.findings import Severity

Subject = TypeVar("Subject")
Told = TypeVar("Told")

DEFAULT_SCRAPES = Settings().scrape_interval


@dataclass(frozen=True, slots=True)
class Note:
    """What a rule found."""

    place: Place
    """Where in the object; a place that is not there stands for its parent."""
    sentence: str
    fix: str = ""
    """What to do; empty where the sentence says it."""


@dataclass(frozen=True, slots=True)
class Rule(Generic[Subject, Told]):
    """One thing to look for."""

    name: str
    severity: Severity
    find: Callable[[Subject], Iterable[Told]]


@dataclass(frozen=True, slots=True)
class Operator:
    """What is known about the operator that will follow the manifests."""

    scrape_interval: timedelta = DEFAULT_SCRAPES
    """Its `--prometheus-scrape-interval`."""
    allowed_hosts: tuple[str, ...] | None = None
    """Its `--allowed-host`; None where nobody said."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """An object that is a CanaryRollout, or was meant to be one."""

    document: Document
    operator: Operator
    spec: RolloutSpec | None
    """None where it has problems."""
    problems: tuple[Problem, ...]
    """What the models say of its spec."""


@dataclass(frozen=True, slots=True)
class Rollout:
    """A CanaryRollout whose spec the models take."""

    document: Document
    operator: Operator
    spec: RolloutSpec
    autoscaled: bool = False
    """Whether an autoscaler among the objects scales it."""

    @property
    def window(self) -> timedelta:
        """What a check looks back on."""
        return self.spec.analysis.resolved_window(self.operator.scrape_interval)


@dataclass(frozen=True, slots=True)
class Together:
    """All objects that were given, for rules about more than one."""

    documents: tuple[Document, ...]
    rollouts: tuple[Candidate, ...]


ObjectRule = Rule[Candidate, Note]
SpecRule = Rule[Rollout, Note]
TogetherRule = Rule[Together, tuple[Document, Note]]


def split_advice(message: str) -> tuple[str, str]:
    """Return the first sentence of a message of the operator, and what it says to do.

    Example:
        >>> split_advice("spec.x is 1. Use 2, or ask.")
        ('spec.x is 1.', 'Use 2, or ask.')
    """
    sentence, _, advice = message.partition(". ")
    return f"{sentence.rstrip('.')}.", advice
