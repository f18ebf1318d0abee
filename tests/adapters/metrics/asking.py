"""What a test asks the adapter, and what the answers mean."""

from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from canary_operator.adapters.metrics.errors import QueryOutcome
from canary_operator.adapters.metrics.prometheus import PrometheusMetrics, PrometheusSettings
from canary_operator.domain.judge import judge
from canary_operator.domain.looks import Stretch
from canary_operator.domain.readings import Readings
from canary_operator.domain.situation import Settings, Wanted
from canary_operator.domain.spec import RolloutSpec, parse_spec
from canary_operator.domain.status import Judgement
from canary_operator.ports import Key, Measure
from canary_operator.testing.situations import CANARY, on_first_step, with_status
from tests.adapters.metrics.pretender import Pretender, Reply

AT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
PATIENT = timedelta(seconds=5)
QUICK = timedelta(seconds=0.3)
"""For tests in which Prometheus says nothing."""
MINUTE = timedelta(seconds=60)
WEB = Key("demo", "web")
WEIGHT = 20
SUCCESS_RATE: dict[str, Any] = {"name": "success-rate", "successRate": {"min": 99}}
LATENCY: dict[str, Any] = {"name": "latency", "latency": {"percentile": 99, "max": "500ms"}}
CARTS: dict[str, Any] = {"name": "carts", "query": {"promql": "carts", "max": 1}}


def custom(promql: str, name: str = "own") -> dict[str, Any]:
    return {"name": name, "query": {"promql": promql, "max": 1}}


def spec(*metrics: dict[str, Any], **analysis: Any) -> RolloutSpec:
    container = {"name": "app", "image": "app:v1"}
    return parse_spec(
        {
            "template": {"spec": {"containers": [container]}},
            "service": {"port": 80},
            "analysis": {"metrics": list(metrics), **analysis},
        }
    )


def measure(
    *metrics: dict[str, Any],
    key: Key = WEB,
    at: datetime = AT,
    window: timedelta | None = MINUTE,
    since_last: timedelta | None = None,
    past_until: datetime | None = None,
    **analysis: Any,
) -> Measure:
    return Measure(key, spec(*metrics, **analysis), Stretch(at, window, since_last, past_until))


def keys(many: int, name: str = "web") -> list[Key]:
    return [Key("demo", f"{name}-{index}") for index in range(many)]


def judged(measured: Measure, readings: Readings) -> tuple[Judgement, ...]:
    """Return what the rules say about readings of a rollout at a weight of 20 %."""
    at = replace(on_first_step(), wanted=Wanted(CANARY, measured.spec))
    return judge(with_status(at, weight=WEIGHT), readings).judgements


class Source:
    """The adapter towards a pretender."""

    def __init__(self, pretender: Pretender, metrics: PrometheusMetrics) -> None:
        self.pretender = pretender
        self.metrics = metrics
        self.outcomes: Counter[QueryOutcome] = Counter()

    async def read(self, measured: Measure) -> Readings:
        return (await self.metrics.read([measured]))[measured.key]

    async def ask(self, measured: Measure) -> Judgement:
        """Return the judgement of the first metric."""
        return judged(measured, await self.read(measured))[0]

    async def judge(self, *metrics: dict[str, Any]) -> Judgement:
        """Return the judgement of the first of `metrics`."""
        return await self.ask(measure(*metrics))

    @property
    def queries(self) -> list[str]:
        """What was asked for, in order."""
        return [asked.promql for asked in self.pretender.asked]


@asynccontextmanager
async def source(
    reply: Reply, settings: Settings | None = None, **connection: Any
) -> AsyncIterator[Source]:
    async with Pretender(reply) as pretender:
        address = connection.pop("address", pretender.url)
        outcomes: Counter[QueryOutcome] = Counter()
        metrics = PrometheusMetrics(
            PrometheusSettings(address, **{"timeout": PATIENT, **connection}),
            settings or Settings(),
            lambda outcome, _: outcomes.update([outcome]),
        )
        made = Source(pretender, metrics)
        made.outcomes = outcomes
        try:
            yield made
        finally:
            metrics.close()


def words_of(several: Iterable[Judgement]) -> set[str]:
    return {one.message for one in several}
