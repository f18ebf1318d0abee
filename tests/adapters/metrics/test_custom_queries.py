"""Queries of users: only where they are allowed, and slow ones at nobody else's expense."""

import asyncio
from datetime import timedelta

import pytest

from canary_operator.adapters.metrics import lanes
from canary_operator.domain.looks import Stretch
from canary_operator.domain.situation import Settings
from canary_operator.domain.status import Verdict
from canary_operator.ports import Measure
from tests.adapters.metrics.asking import (
    AT,
    CARTS,
    MINUTE,
    SUCCESS_RATE,
    WEB,
    custom,
    keys,
    measure,
    source,
    spec,
)
from tests.adapters.metrics.pretender import (
    Asked,
    Reply,
    by_promql,
    sample,
    silence,
    success,
)


@pytest.mark.parametrize(
    ("allowed", "verdict"),
    [(None, Verdict.PASS), (("demo",), Verdict.PASS), (("other",), Verdict.INCONCLUSIVE)],
)
async def test_custom_queries_only_where_the_admin_allows(
    allowed: tuple[str, ...] | None, verdict: Verdict
) -> None:
    async with source(success([sample("0")]), Settings(custom_queries=allowed)) as made:
        judged = await made.judge(CARTS)
    assert verdict is judged.verdict
    assert ("--custom-queries" in judged.message) is (verdict is Verdict.INCONCLUSIVE)
    assert bool(made.pretender.asked) is (verdict is Verdict.PASS)


async def test_a_template_that_cannot_be_filled() -> None:
    wrong = spec(CARTS)
    query = wrong.analysis.metrics[0].query
    assert query
    broken = wrong.analysis.metrics[0].model_copy(
        update={"query": query.model_copy(update={"promql": "{{ cart }}"})}
    )
    analysis = wrong.analysis.model_copy(update={"metrics": (broken,)})
    asked = Measure(WEB, wrong.model_copy(update={"analysis": analysis}), Stretch(AT, MINUTE, None))
    async with source(success([])) as made:
        judged = await made.ask(asked)
    assert judged.verdict is Verdict.INCONCLUSIVE
    assert "unknown variable {{ cart }}" in judged.message


async def test_a_slow_custom_query_delays_only_its_own_rollout() -> None:
    reply = by_promql({"carts": silence}, success([]))
    async with source(reply, timeout=timedelta(seconds=3)) as made:
        slow = [asyncio.ensure_future(made.ask(measure(CARTS, key=key))) for key in keys(10)]
        await made.pretender.until_asked("carts")
        async with asyncio.timeout(2):
            judged = await made.judge(SUCCESS_RATE)
        assert "at least 10 are needed" in judged.message
        assert not any(one.done() for one in slow)
        for one in slow:
            one.cancel()
        await asyncio.gather(*slow, return_exceptions=True)


async def test_quick_custom_queries_do_not_wait_for_those_that_were_slow_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lanes, "SLOW_SECONDS", 0.3)
    slow = [measure(custom("slow"), key=key) for key in keys(5, "slow")]
    quick = [measure(custom("quick"), key=key) for key in keys(8, "quick")]
    async with source(success([]), timeout=timedelta(seconds=3)) as made:
        made.pretender.reply = by_promql({"slow": after(0.5)}, success([sample("0")]))
        everybody = await asyncio.gather(*map(made.ask, [*slow, *quick]))
        assert {one.verdict for one in everybody} == {Verdict.PASS}

        made.pretender.reply = by_promql({"slow": silence}, success([sample("0")]))
        made.pretender.asked.clear()
        hanging = [asyncio.ensure_future(made.ask(one)) for one in slow]
        await made.pretender.until_asked("slow")
        async with asyncio.timeout(2):
            judged = await asyncio.gather(*map(made.ask, quick))
        assert {one.verdict for one in judged} == {Verdict.PASS}
        assert not any(one.done() for one in hanging)
        assert made.queries.count("slow") == 1, "the others wait for their place"
        for one in hanging:
            one.cancel()
        await asyncio.gather(*hanging, return_exceptions=True)


async def test_a_slow_query_of_a_rollout_does_not_make_its_quick_one_slow(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lanes, "SLOW_SECONDS", 0.3)
    both = [custom("slow", "slow"), custom("quick", "quick")]
    async with source(success([]), timeout=timedelta(seconds=3), in_flight=4) as made:
        made.pretender.reply = by_promql({"slow": after(0.5)}, success([sample("0")]))
        for _ in range(2):  # the second time the slow one runs among the slow
            await made.judge(*both)
        made.pretender.reply = by_promql({"slow": silence}, success([sample("0")]))
        made.pretender.asked.clear()
        hangs = asyncio.ensure_future(made.judge(*both))
        await made.pretender.until_asked("slow")
        async with asyncio.timeout(2):
            judged = await made.ask(measure(custom("quick"), key=keys(1)[0]))
        assert judged.verdict is Verdict.PASS
        assert not hangs.done()
        hangs.cancel()
        await asyncio.gather(hangs, return_exceptions=True)


def after(seconds: float) -> Reply:
    """Reply like a query that takes its time."""

    async def reply(asked: Asked, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(seconds)
        await success([sample("0")])(asked, writer)

    return reply
