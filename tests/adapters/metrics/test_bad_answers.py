"""Whatever answers at Prometheus' address, the outcome is a judgement, and it is no pass."""

import asyncio
import threading
from datetime import timedelta
from typing import Any

import pytest

from canary_operator.adapters.metrics.errors import QueryOutcome
from canary_operator.domain.status import Verdict
from tests.adapters.metrics.asking import (
    CARTS,
    LATENCY,
    QUICK,
    SUCCESS_RATE,
    keys,
    measure,
    source,
    words_of,
)
from tests.adapters.metrics.pretender import (
    Asked,
    Reply,
    failure,
    http,
    raw,
    sample,
    silence,
    success,
)

LONG = "x" * 400
ANSWERED, UNAVAILABLE = QueryOutcome.ANSWERED, QueryOutcome.UNAVAILABLE
REJECTED, UNREADABLE = QueryOutcome.REJECTED, QueryOutcome.UNREADABLE
TIMEOUT, OVERLOADED = QueryOutcome.TIMEOUT, QueryOutcome.OVERLOADED
FOREIGN = "what answers at Prometheus' address does not speak Prometheus' API"
BUSY = "Prometheus is too slow: earlier queries still wait for its answer"
PATIENT = timedelta(seconds=30)
"""For answers that come: a busy machine may take a while to read one."""
LATE = "Prometheus did not answer within 0.3 s"

BAD_ANSWERS: dict[str, tuple[Reply, QueryOutcome, str]] = {
    "an error page": (
        http("500 Oops secret", "<html>secret</html>"),
        UNAVAILABLE,
        "Prometheus answered HTTP 500 (Internal Server Error)",
    ),
    "a login page": (http("200 OK", "<html>secret</html>"), UNREADABLE, FOREIGN),
    "a redirect": (
        http("302 Found", "secret", Location="http://127.0.0.1:9/secret"),
        UNAVAILABLE,
        "Prometheus answered HTTP 302 (Found)",
    ),
    "too many requests": (
        http("429 Too Many Requests", "secret", Retry_After="30"),
        OVERLOADED,
        "Prometheus answered HTTP 429 (Too Many Requests)",
    ),
    "no right": (
        http("403 Forbidden", '{"message": "secret"}'),
        UNAVAILABLE,
        "Prometheus answered HTTP 403 (Forbidden)",
    ),
    "an unknown status": (
        http("599 Secret", ""),
        UNAVAILABLE,
        "Prometheus answered HTTP 599 (unknown status)",
    ),
    "a query that took too long there": (
        failure("503 Service Unavailable", "query timed out in expression evaluation"),
        OVERLOADED,
        "Prometheus answered HTTP 503 (query timed out in expression evaluation)",
    ),
    "a query that is wrong": (
        failure("400 Bad Request", 'invalid parameter "query": 1:5: parse error\nsecret'),
        REJECTED,
        'Prometheus rejected the query: invalid parameter "query": 1:5: parse error',
    ),
    "a query that cannot be run": (
        failure("422 Unprocessable Entity", "\x1b[31m" + LONG),
        REJECTED,
        "Prometheus rejected the query: [31m" + LONG[:296],
    ),
    "a bad request that Prometheus did not refuse": (
        http("400 Bad Request", "<html>secret</html>"),
        UNAVAILABLE,
        "Prometheus answered HTTP 400 (Bad Request)",
    ),
    "an empty body": (http("200 OK", ""), UNREADABLE, FOREIGN),
    "an empty document": (http("200 OK", "{}"), UNREADABLE, FOREIGN),
    "a list": (http("200 OK", "[1]"), UNREADABLE, FOREIGN),
    "a deep document": (http("200 OK", "[" * 100_000), UNREADABLE, FOREIGN),
    "half a document": (http("200 OK", '{"status": "success", "data": {'), UNREADABLE, FOREIGN),
    "a body that breaks off": (
        raw('HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{"status": "success"'),
        UNAVAILABLE,
        "Prometheus' answer broke off",
    ),
    "no answer": (raw(""), UNAVAILABLE, "Prometheus cannot be reached (no connection)"),
    "noise": (raw("secret\r\n\r\n"), UNAVAILABLE, "Prometheus cannot be reached (no connection)"),
    "false compression": (
        http("200 OK", "secret", Content_Encoding="gzip"),
        UNAVAILABLE,
        "Prometheus' answer broke off",
    ),
    "silence": (silence, TIMEOUT, LATE),
    "a matrix": (
        success([{"metric": {}, "values": [[1, "1"]]}], "matrix"),
        REJECTED,
        "the query gives a matrix where a number is expected",
    ),
    "a string": (
        success([1, "1"], "string"),
        REJECTED,
        "the query gives a string where a number is expected",
    ),
    "a sample without a value": (
        success([{"metric": {}}]),
        UNREADABLE,
        "Prometheus' answer cannot be read",
    ),
    "a native histogram": (
        success([{"metric": {}, "histogram": [1, {"count": "1"}]}]),
        UNREADABLE,
        "Prometheus' answer cannot be read",
    ),
    "no number": (success([sample("secret")]), UNREADABLE, "Prometheus' answer cannot be read"),
}


@pytest.mark.parametrize("check", [SUCCESS_RATE, LATENCY, CARTS], ids=lambda check: check["name"])
@pytest.mark.parametrize("case", BAD_ANSWERS)
async def test_a_bad_answer(case: str, check: dict[str, Any]) -> None:
    reply, outcome, words = BAD_ANSWERS[case]
    async with source(reply, timeout=QUICK if outcome is TIMEOUT else PATIENT) as made:
        judged = await made.judge(check)
    assert (judged.verdict, judged.value) == (Verdict.INCONCLUSIVE, None)
    own = outcome is REJECTED and check is CARTS  # only who wrote a query can correct it
    hint = "; try the query in Prometheus, and correct it" if own else ""
    assert judged.message == f"{check['name']}: {words}{hint}"
    assert set(made.outcomes) == {outcome}
    queries = [asked.promql for asked in made.pretender.asked]
    assert len(queries) == len(set(queries)), "nothing is tried twice"


@pytest.mark.parametrize(
    ("result", "verdict", "words"),
    [
        ([sample("0.5")], Verdict.PASS, "the query gave 0.5"),
        ([sample("2")], Verdict.FAIL, "the query gave 2"),
        ([], Verdict.INCONCLUSIVE, "the query gave nothing"),
        ([sample("NaN")], Verdict.INCONCLUSIVE, "NaN"),
        ([sample("+Inf")], Verdict.INCONCLUSIVE, "+Inf"),
        ([sample("-Inf")], Verdict.INCONCLUSIVE, "-Inf"),
        ([sample("0", a="1"), sample("0", a="2")], Verdict.INCONCLUSIVE, "2 series"),
    ],
)
async def test_answers_to_a_custom_query(result: Any, verdict: Verdict, words: str) -> None:
    async with source(success(result)) as made:
        judged = await made.judge(CARTS)
    assert verdict is judged.verdict
    assert words in judged.message
    assert made.outcomes == {QueryOutcome.ANSWERED: 1}


async def test_a_scalar_is_a_number() -> None:
    async with source(success([1772366400.5, "0.5"], "scalar")) as made:
        assert (await made.judge(CARTS)).verdict is Verdict.PASS


async def test_counts_that_are_no_numbers() -> None:
    labels = {"destination_service": "web-canary.demo.svc.cluster.local", "response_code": "200"}
    async with source(success([sample("NaN", **labels)])) as made:
        judged = await made.judge(SUCCESS_RATE)
    assert judged.verdict is Verdict.INCONCLUSIVE
    assert "no number" in judged.message


async def test_a_huge_answer_is_not_read_to_its_end() -> None:
    sent = 0

    async def flood(_: Asked, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        for _ in range(1000):
            writer.write(b" " * 1_000_000)
            await writer.drain()
            sent += 1

    async with source(flood, timeout=timedelta(seconds=20)) as made:
        judged = await made.judge(SUCCESS_RATE)
    assert judged.message == "success-rate: Prometheus' answer is larger than 32 MB"
    assert sent < 100


async def test_an_answer_that_drips_is_given_up() -> None:
    async def drip(_: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while True:
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.01)

    async with source(drip, timeout=QUICK) as made:
        dripping = await asyncio.gather(*(made.judge(CARTS) for _ in range(4)))
        assert {judged.message for judged in dripping} == {f"carts: {LATE}"}
        made.pretender.reply = success([sample("0")])
        assert (await made.judge(CARTS)).verdict is Verdict.PASS


async def test_a_connection_that_was_closed_meanwhile_is_not_used_again() -> None:
    async with source(success([sample("0")], connection="keep-alive")) as made:
        for _ in range(3):
            assert (await made.judge(CARTS)).verdict is Verdict.PASS


async def test_a_hung_server_takes_no_more_threads_than_allowed_and_is_forgiven() -> None:
    before = threading.active_count()
    async with source(silence, timeout=QUICK) as made:
        hanging = [made.ask(measure(CARTS, key=key)) for key in keys(30)]
        judged = await asyncio.gather(*hanging)
        assert threading.active_count() - before <= 4
        assert words_of(judged) == {f"carts: {LATE}", f"carts: {BUSY}"}
        made.pretender.reply = success([sample("0")])
        assert (await made.judge(CARTS)).verdict is Verdict.PASS
