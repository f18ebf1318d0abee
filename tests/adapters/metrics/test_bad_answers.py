"""Whatever answers at Prometheus' address, the outcome is a judgement, and it is no pass."""

import asyncio
import shutil
import ssl
import subprocess
import threading
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from canary_operator.adapters.metrics.errors import QueryOutcome
from canary_operator.adapters.metrics.prometheus import PrometheusMetrics, PrometheusSettings
from canary_operator.domain.situation import Settings
from canary_operator.domain.spec import RolloutSpec, parse_spec
from canary_operator.domain.status import Judgement, Verdict
from canary_operator.ports import Key, Measure
from tests.adapters.metrics.pretender import (
    Asked,
    Pretender,
    Reply,
    failure,
    http,
    raw,
    sample,
    silence,
    success,
)

AT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
QUICK = timedelta(seconds=0.3)
SUCCESS_RATE: dict[str, Any] = {"name": "success-rate", "successRate": {"min": 99}}
LATENCY: dict[str, Any] = {"name": "latency", "latency": {"percentile": 99, "max": "500ms"}}
CARTS: dict[str, Any] = {"name": "carts", "query": {"promql": "carts", "max": 1}}
WEB = Key("demo", "web")
LONG = "x" * 400


def spec(*metrics: dict[str, Any]) -> RolloutSpec:
    container = {"name": "app", "image": "app:v1"}
    return parse_spec(
        {
            "template": {"spec": {"containers": [container]}},
            "service": {"port": 80},
            "analysis": {"metrics": list(metrics)},
        }
    )


def measure(
    *metrics: dict[str, Any], key: Key = WEB, late: timedelta = timedelta(), window: int = 60
) -> Measure:
    return Measure(key, spec(*metrics), 20, AT + late, timedelta(seconds=window))


class Source:
    """The adapter towards a pretender."""

    def __init__(self, pretender: Pretender, metrics: PrometheusMetrics) -> None:
        self.pretender = pretender
        self.metrics = metrics
        self.outcomes: Counter[QueryOutcome] = Counter()

    async def judge(self, *metrics: dict[str, Any]) -> Judgement:
        """Return the judgement of the first of `metrics`."""
        return (await self.metrics.judge([measure(*metrics)]))[WEB][0]


@asynccontextmanager
async def source(
    reply: Reply, settings: Settings | None = None, **connection: Any
) -> AsyncIterator[Source]:
    async with Pretender(reply) as pretender:
        address = connection.pop("address", pretender.url)
        outcomes: Counter[QueryOutcome] = Counter()
        metrics = PrometheusMetrics(
            PrometheusSettings(address, **{"timeout": QUICK, **connection}),
            settings or Settings(),
            lambda outcome: outcomes.update([outcome]),
        )
        made = Source(pretender, metrics)
        made.outcomes = outcomes
        try:
            yield made
        finally:
            metrics.close()


ANSWERED, UNAVAILABLE = QueryOutcome.ANSWERED, QueryOutcome.UNAVAILABLE
REJECTED, UNREADABLE = QueryOutcome.REJECTED, QueryOutcome.UNREADABLE
FOREIGN = "what answers at Prometheus' address does not speak Prometheus' API"
BUSY = "Prometheus is too slow: earlier queries still wait for its answer"
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
        UNAVAILABLE,
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
        UNAVAILABLE,
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
    "silence": (silence, UNAVAILABLE, LATE),
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
    async with source(reply) as made:
        judged = await made.judge(check)
    assert (judged.verdict, judged.value) == (Verdict.INCONCLUSIVE, None)
    assert judged.message == f"{check['name']}: {words}"
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

    async with source(drip) as made:
        dripping = await asyncio.gather(*(made.judge(CARTS) for _ in range(4)))
        assert {judged.message for judged in dripping} == {f"carts: {LATE}"}
        made.pretender.reply = success([sample("0")])
        assert (await made.judge(CARTS)).verdict is Verdict.PASS


async def test_a_connection_that_was_closed_meanwhile_is_not_used_again() -> None:
    async with source(success([sample("0")], connection="keep-alive")) as made:
        for _ in range(3):
            assert (await made.judge(CARTS)).verdict is Verdict.PASS


async def test_nobody_listens() -> None:
    async with source(silence, address="http://127.0.0.1:9") as made:
        judged = await made.judge(SUCCESS_RATE)
    assert judged.message == "success-rate: Prometheus cannot be reached (connection refused)"


async def test_an_unknown_host() -> None:
    async with source(silence, address="http://prometheus.invalid") as made:
        judged = await made.judge(SUCCESS_RATE)
    assert judged.message.startswith("success-rate: Prometheus cannot be reached (")
    assert "prometheus.invalid" not in judged.message


async def test_an_https_address_of_a_plain_server() -> None:
    async def refuse(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
        address = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with source(silence, address=address) as made:
            judged = await made.judge(SUCCESS_RATE)
    assert "is its address http:// rather than https://?" in judged.message


async def test_a_certificate_of_an_unknown_authority(tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    async with Pretender(success([sample("0")]), context) as pretender:
        async with source(silence, address=pretender.url) as made:
            judged = await made.judge(CARTS)
            assert "certificate was not accepted" in judged.message
        async with source(silence, address=pretender.url, ca_file=certificate) as made:
            assert (await made.judge(CARTS)).verdict is Verdict.PASS


async def test_a_ca_file_that_is_missing(tmp_path: Path) -> None:
    missing = tmp_path / "ca.pem"
    async with source(silence, address="https://127.0.0.1:9", ca_file=missing) as made:
        judged = await made.judge(CARTS)
    assert judged.message == "carts: the CA file for Prometheus cannot be read"


async def test_a_hung_server_takes_no_more_threads_than_allowed_and_is_forgiven() -> None:
    before = threading.active_count()
    async with source(silence) as made:
        rollouts = [Key("demo", f"web-{index}") for index in range(30)]
        hanging = [made.metrics.judge([measure(CARTS, key=key)]) for key in rollouts]
        judged = await asyncio.gather(*hanging)
        assert threading.active_count() - before <= 4
        messages = {one.message for found in judged for many in found.values() for one in many}
        assert messages == {f"carts: {LATE}", f"carts: {BUSY}"}
        made.pretender.reply = success([sample("0")])
        assert (await made.judge(CARTS)).verdict is Verdict.PASS


async def test_a_slow_custom_query_delays_only_its_own_rollout() -> None:
    answered = success([])

    async def reply(asked: Asked, writer: asyncio.StreamWriter) -> None:
        await (silence if asked.promql == "carts" else answered)(asked, writer)

    async with source(reply, timeout=timedelta(seconds=3)) as made:
        custom = [Key("demo", f"slow-{index}") for index in range(5)]
        slow = [
            asyncio.ensure_future(made.metrics.judge([measure(CARTS, key=key)])) for key in custom
        ]
        async with asyncio.timeout(1):
            judged = await made.judge(SUCCESS_RATE)
        assert "at least 10 are needed" in judged.message
        assert not any(one.done() for one in slow)
        for one in slow:
            one.cancel()
        await asyncio.gather(*slow, return_exceptions=True)


async def test_who_stops_waiting_takes_nobody_along() -> None:
    async with source(success([])) as made:
        impatient = asyncio.ensure_future(made.judge(SUCCESS_RATE))
        patient = asyncio.ensure_future(made.judge(SUCCESS_RATE))
        await asyncio.sleep(0)
        impatient.cancel()
        assert "needed" in (await patient).message


@pytest.mark.parametrize(
    ("rollouts", "checks", "queries"),
    [
        pytest.param(1, [SUCCESS_RATE], 1, id="one rollout"),
        pytest.param(50, [SUCCESS_RATE], 1, id="as many as fit in one query"),
        pytest.param(51, [SUCCESS_RATE], 2, id="one more"),
        pytest.param(200, [SUCCESS_RATE, LATENCY], 8, id="many with both checks"),
    ],
)
async def test_rollouts_share_queries(
    rollouts: int, checks: list[dict[str, Any]], queries: int
) -> None:
    async with source(success([]), timeout=timedelta(seconds=5)) as made:
        keys = [Key("demo", f"web-{index}") for index in range(rollouts)]
        late = [timedelta(milliseconds=index) for index in range(rollouts)]
        calls = [
            made.metrics.judge([measure(*checks, key=key, late=at)])
            for key, at in zip(keys, late, strict=True)
        ]
        judged = await asyncio.gather(*calls)
    assert {key for found in judged for key in found} == set(keys)
    assert queries == len(made.pretender.asked)


async def test_windows_of_other_length_or_time_are_asked_for_apart() -> None:
    first, second, third = (Key("demo", name) for name in ("a", "b", "c"))
    async with source(success([])) as made:
        await made.metrics.judge(
            [
                measure(SUCCESS_RATE, key=first),
                measure(SUCCESS_RATE, key=second, window=90),
                measure(SUCCESS_RATE, key=third, late=timedelta(minutes=5)),
            ]
        )
    times = sorted(
        (float(asked.form["time"]), "[90s]" in asked.promql) for asked in made.pretender.asked
    )
    assert times == [(stamp(0.5), False), (stamp(0.5), True), (stamp(300.5), False)]


def stamp(seconds: float) -> float:
    return (AT + timedelta(seconds=seconds)).timestamp()


async def test_how_a_query_is_sent(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("first\n")
    template = "carts{ns='{{ namespace }}',app='{{ canary }}'}[{{ window }}]"
    check = {"name": "carts", "query": {"promql": template, "max": 1}}
    headers = {"X-Scope-OrgID": "shop"}
    async with source(success([]), headers=headers, bearer_token_file=token) as made:
        await made.judge(check)
        token.write_text("second")
        await made.judge(check)
    first, second = made.pretender.asked
    assert first.line == "POST /api/v1/query HTTP/1.1"
    assert first.form == {
        "query": "carts{ns='demo',app='web-canary'}[60s]",
        "time": f"{AT.timestamp():.3f}",
        "timeout": "240ms",
    }
    assert first.headers["x-scope-orgid"] == "shop"
    assert [asked.headers["authorization"] for asked in (first, second)] == [
        "Bearer first",
        "Bearer second",
    ]


async def test_a_token_that_cannot_be_read(tmp_path: Path) -> None:
    async with source(success([]), bearer_token_file=tmp_path / "missing") as made:
        judged = await made.judge(SUCCESS_RATE)
    assert judged.message.endswith("the file with the bearer token for Prometheus cannot be read")


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
    check = {"name": "carts", "query": {"promql": "carts", "max": 1}}
    wrong = spec(check)
    query = wrong.analysis.metrics[0].query
    assert query
    broken = wrong.analysis.metrics[0].model_copy(
        update={"query": query.model_copy(update={"promql": "{{ cart }}"})}
    )
    analysis = wrong.analysis.model_copy(update={"metrics": (broken,)})
    asked = Measure(
        WEB, wrong.model_copy(update={"analysis": analysis}), 20, AT, timedelta(seconds=60)
    )
    async with source(success([])) as made:
        judged = (await made.metrics.judge([asked]))[WEB][0]
    assert judged.verdict is Verdict.INCONCLUSIVE
    assert "unknown variable {{ cart }}" in judged.message


@pytest.mark.parametrize("address", ["prometheus:9090", "ftp://prometheus", "http://", ""])
def test_an_address_that_is_no_url(address: str) -> None:
    with pytest.raises(ValueError, match="such as http://prometheus"):
        PrometheusSettings(address)


def self_signed(folder: Path) -> tuple[Path, Path]:
    """Make a certificate for 127.0.0.1."""
    openssl = shutil.which("openssl") or pytest.skip("openssl is not installed")
    certificate, key = folder / "cert.pem", folder / "key.pem"
    made_of = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    named = ["-subj", "/CN=prometheus", "-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-keyout", key, "-out", certificate]
    subprocess.run(
        [openssl, "req", "-x509", *made_of, *named, *files], check=True, capture_output=True
    )
    return certificate, key
