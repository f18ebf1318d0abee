"""A new spec's own queries are tried out: only what is surely wrong is refused."""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from canary_operator.adapters.metrics import prometheus
from canary_operator.adapters.metrics.prometheus import (
    TRY_OUT_SECONDS,
    PrometheusMetrics,
    PrometheusSettings,
)
from canary_operator.domain.errors import InvalidSpecError
from canary_operator.domain.situation import Settings
from canary_operator.playground.prometheus import Prometheus
from tests.adapters.metrics.asking import (
    CARTS,
    SUCCESS_RATE,
    WEB,
    Source,
    custom,
    keys,
    source,
    spec,
)
from tests.adapters.metrics.pretender import (
    Reply,
    by_promql,
    failure,
    http,
    sample,
    silence,
    success,
)

PARSE_ERROR = 'invalid parameter "query": 1:10: parse error: unclosed left parenthesis'
WRONG = failure("400 Bad Request", PARSE_ERROR + "\nand more", "bad_data")


async def refusal(made: Source, *metrics: dict[str, Any]) -> str:
    with pytest.raises(InvalidSpecError) as caught:
        await made.metrics.try_out(WEB, spec(*metrics))
    return str(caught.value)


async def test_a_query_that_cannot_be_parsed_is_refused_with_its_position() -> None:
    reply = by_promql({"sum(": WRONG}, success([]))
    async with source(reply) as made:
        said = await refusal(made, SUCCESS_RATE, CARTS, custom("sum(typo"))
    assert said == (
        f"spec.analysis.metrics[2].query.promql: Prometheus rejected the query: {PARSE_ERROR}; "
        "try the query in Prometheus, and correct it."
    )


async def test_a_real_prometheus_says_line_and_position(tmp_path: Path) -> None:
    async with Prometheus(tmp_path, []) as real:
        metrics = PrometheusMetrics(PrometheusSettings(real.url), Settings())
        try:
            await metrics.try_out(WEB, spec(custom("sum(\n  up{app='{{ canary }}'}\n)")))
            with pytest.raises(InvalidSpecError) as caught:
                await metrics.try_out(WEB, spec(CARTS, custom("sum(\n  carts{app=7}\n)")))
        finally:
            metrics.close()
    said = str(caught.value)
    assert said.startswith("spec.analysis.metrics[1].query.promql: Prometheus rejected the query: ")
    assert "2:13: parse error: unexpected" in said
    assert "\n" not in said


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        pytest.param(
            success([{"metric": {}, "values": [[1, "1"]]}], "matrix"), "gives a matrix", id="matrix"
        ),
        pytest.param(success([1, "1"], "string"), "gives a string", id="string"),
    ],
)
async def test_a_query_that_gives_no_number_is_refused(reply: Reply, words: str) -> None:
    async with source(reply) as made:
        said = await refusal(made, CARTS)
    assert said == (
        f"spec.analysis.metrics[0].query.promql: the query {words} where a number is expected; "
        "try the query in Prometheus, and correct it."
    )


async def test_custom_queries_that_the_admin_does_not_allow_are_refused() -> None:
    async with source(success([]), Settings(custom_queries=("other",))) as made:
        said = await refusal(made, CARTS)
    assert "--custom-queries" in said
    assert made.queries == []


NOTHING_AGAINST = [
    pytest.param(success([]), id="nothing measured yet"),
    pytest.param(success([sample("1", a="1"), sample("2", a="2")]), id="several series"),
    pytest.param(success([1, "1"], "scalar"), id="a scalar"),
    pytest.param(failure("422 Unprocessable Entity", "many-to-many"), id="422, which data decide"),
    pytest.param(http("400 Bad Request", "<html>"), id="400 of a proxy"),
    pytest.param(http("500 Internal Server Error", "<html>"), id="500"),
    pytest.param(failure("503 Service Unavailable", "query timed out", "timeout"), id="503"),
    pytest.param(http("429 Too Many Requests", ""), id="429"),
    pytest.param(http("200 OK", "<html>login</html>"), id="a login page"),
]


@pytest.mark.parametrize("reply", NOTHING_AGAINST)
async def test_nothing_speaks_against_a_query(reply: Reply) -> None:
    async with source(reply) as made:
        await made.metrics.try_out(WEB, spec(CARTS))
        assert made.queries == ["carts"]


async def test_nobody_answers_at_the_address() -> None:
    async with source(silence, address="http://127.0.0.1:9") as made:
        await made.metrics.try_out(WEB, spec(CARTS))


async def test_only_custom_queries_are_tried_out() -> None:
    async with source(WRONG) as made:
        await made.metrics.try_out(WEB, spec(SUCCESS_RATE))
        assert made.queries == []


async def test_a_silent_prometheus_holds_up_a_spec_for_a_moment() -> None:
    """And no further ones, for half a minute."""
    async with source(silence) as made:
        many = [custom("carts", f"carts-{index}") for index in range(10)]
        async with asyncio.timeout(TRY_OUT_SECONDS + 0.5):
            await made.metrics.try_out(WEB, spec(*many))
        sent = len(made.queries)
        asked = spec(CARTS)
        async with asyncio.timeout(1):
            for key in keys(100):
                await made.metrics.try_out(key, asked)
        assert sent == len(made.queries)


async def test_after_a_while_a_silent_prometheus_is_asked_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(prometheus, "TRY_OUT_SECONDS", 0.1)
    monkeypatch.setattr(prometheus, "NO_TRY_OUT_SECONDS", 0.2)
    async with source(silence, timeout=timedelta(seconds=1)) as made:
        await made.metrics.try_out(WEB, spec(CARTS))
        made.pretender.reply = WRONG
        refused = False
        async with asyncio.timeout(5):
            while not refused:
                await asyncio.sleep(0.01)
                refused = await is_refused(made)


async def is_refused(made: Source) -> bool:
    try:
        await made.metrics.try_out(WEB, spec(CARTS))
    except InvalidSpecError:
        return True
    return False
