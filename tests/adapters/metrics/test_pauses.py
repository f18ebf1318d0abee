"""An overloaded Prometheus is left alone until a pause is over."""

from datetime import timedelta

import pytest

from canary_operator.adapters.metrics import client
from canary_operator.adapters.metrics.errors import QueryOutcome
from canary_operator.adapters.metrics.pauses import LONGEST_PAUSE, Pauses
from canary_operator.domain.status import Verdict
from tests.adapters.metrics.asking import CARTS, SUCCESS_RATE, keys, measure, source
from tests.adapters.metrics.pretender import Reply, failure, http, raw, sample, success

TOO_MANY = "429 Too Many Requests"
AWAY = "503 Service Unavailable"
PAGE = "<html>no healthy upstream</html>"


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def wait(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


def paused(pauses: Pauses, asked: float | None = None) -> float:
    """Return how long a pause is that begins now."""
    pauses.overloaded(None if asked is None else timedelta(seconds=asked))
    return pauses.left.total_seconds()


def test_nothing_is_paused_at_first(clock: Clock) -> None:
    assert Pauses(clock).left == timedelta()


def test_a_pause_ends(clock: Clock) -> None:
    pauses = Pauses(clock)
    assert paused(pauses) == 5
    clock.wait(4)
    assert pauses.left == timedelta(seconds=1)
    clock.wait(1)
    assert pauses.left == timedelta()


def test_pauses_in_a_row_double_up_to_a_minute(clock: Clock) -> None:
    pauses = Pauses(clock)
    lengths = []
    for _ in range(20):
        lengths.append(paused(pauses))
        clock.wait(lengths[-1])
    assert lengths == [5, 10, 20, 40, *[LONGEST_PAUSE.total_seconds()] * 16]


def test_an_answer_resets_their_length(clock: Clock) -> None:
    pauses = Pauses(clock)
    for _ in range(3):
        clock.wait(paused(pauses))
    pauses.answered()
    assert paused(pauses) == 5


@pytest.mark.parametrize(
    ("asked", "length"),
    [
        pytest.param(2.0, 2, id="shorter than ours"),
        pytest.param(120.0, 120, id="longer than ours"),
        pytest.param(0.0, 5, id="at once, which is no pause"),
        pytest.param(None, 5, id="not said"),
    ],
)
def test_prometheus_says_how_long(asked: float | None, length: float, clock: Clock) -> None:
    assert paused(Pauses(clock), asked) == length


def test_queries_that_were_under_way_together_end_in_one_pause(clock: Clock) -> None:
    pauses = Pauses(clock)
    paused(pauses)
    clock.wait(1)
    assert paused(pauses) == 4
    clock.wait(4)
    assert paused(pauses) == 10


@pytest.fixture
def adapters_clock(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Return the clock by which the adapter's pauses pass."""
    monkeypatch.setattr(client, "monotonic", clock)
    return clock


OVERLOADED = [
    pytest.param(http(TOO_MANY, "", Retry_After="30"), 30, id="429 that says how long"),
    pytest.param(http(TOO_MANY, ""), 5, id="429"),
    pytest.param(http(TOO_MANY, "", Retry_After="Fri, 31 Dec 1999 23:59:59 GMT"), 5, id="a date"),
    pytest.param(http(TOO_MANY, "", Retry_After="-7"), 5, id="nonsense"),
    pytest.param(http(TOO_MANY, "", Retry_After="²"), 5, id="a digit that is no ASCII"),
    pytest.param(http(TOO_MANY, "", Retry_After="9" * 5000), 300, id="for ever"),
    pytest.param(failure(TOO_MANY, "slow down", "too_many_requests"), 5, id="429 with an error"),
    pytest.param(http(AWAY, PAGE), 5, id="503 of a proxy"),
    pytest.param(http(AWAY, PAGE, Retry_After="7"), 7, id="503 of a proxy that says how long"),
    pytest.param(failure(AWAY, "starting", "unavailable"), 5, id="503 of Prometheus itself"),
]


@pytest.mark.parametrize(("reply", "seconds"), OVERLOADED)
async def test_nothing_is_sent_until_the_pause_is_over(
    reply: Reply, seconds: int, adapters_clock: Clock
) -> None:
    async with source(reply) as made:
        first = await made.judge(CARTS)
        assert first.message.startswith("carts: Prometheus answered HTTP ")
        made.pretender.reply = success([sample("0")])
        adapters_clock.wait(seconds - 0.5)
        for check in (CARTS, SUCCESS_RATE):
            judged = await made.judge(check)
            assert judged.verdict is Verdict.INCONCLUSIVE
            assert judged.message == (
                f"{check['name']}: Prometheus is overloaded and was not asked; "
                "it is asked again in 1 s"
            )
        await made.metrics.try_out(keys(1)[0], measure(CARTS).spec)
        assert made.queries == ["carts"]

        adapters_clock.wait(0.5)
        assert (await made.judge(CARTS)).verdict is Verdict.PASS
    assert made.queries == ["carts", "carts"]
    assert made.outcomes == {QueryOutcome.OVERLOADED: 3 + 1, QueryOutcome.ANSWERED: 1}


async def test_an_answer_makes_the_next_pause_short_again(adapters_clock: Clock) -> None:
    overloaded, answered = http(AWAY, PAGE), success([sample("0")])
    async with source(overloaded) as made:
        for wait in (5, 10):
            await made.judge(CARTS)
            adapters_clock.wait(wait)
        made.pretender.reply = answered
        assert (await made.judge(CARTS)).verdict is Verdict.PASS
        made.pretender.reply = overloaded
        await made.judge(CARTS)
        adapters_clock.wait(5)
        made.pretender.reply = answered
        assert (await made.judge(CARTS)).verdict is Verdict.PASS


NOT_OVERLOADED = [
    pytest.param(failure(AWAY, "query timed out", "timeout"), id="a query that took too long"),
    pytest.param(failure(AWAY, "query was canceled", "canceled"), id="a query that was given up"),
    pytest.param(failure("422 Unprocessable Entity", "no", "execution"), id="one that cannot run"),
    pytest.param(failure("400 Bad Request", "no", "bad_data"), id="one that is wrong"),
    pytest.param(http("500 Internal Server Error", PAGE, Retry_After="30"), id="an error page"),
    pytest.param(http("403 Forbidden", ""), id="no right"),
    pytest.param(raw(""), id="no answer"),
]


@pytest.mark.parametrize("reply", NOT_OVERLOADED)
async def test_trouble_of_one_query_begins_no_pause(reply: Reply) -> None:
    async with source(reply) as made:
        assert (await made.judge(CARTS)).verdict is Verdict.INCONCLUSIVE
        made.pretender.reply = success([sample("0")])
        assert (await made.judge(CARTS)).verdict is Verdict.PASS


async def test_who_waits_for_a_place_when_a_pause_begins_is_not_sent_either() -> None:
    async with source(http(TOO_MANY, "", Retry_After="30"), in_flight=4) as made:
        judged = await made.judge(*({**CARTS, "name": f"carts-{index}"} for index in range(10)))
    assert judged.verdict is Verdict.INCONCLUSIVE
    assert made.queries == ["carts"]
