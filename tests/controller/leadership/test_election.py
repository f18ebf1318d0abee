"""Candidates for one Lease, in virtual time: one leads, never two, and soon another."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from canary_operator.controller.leadership.election import WRITE_MARGIN_SECONDS, Election
from canary_operator.controller.leadership.rules import Times
from canary_operator.domain.errors import ConflictError, UnavailableError
from tests.support.virtual_time import now, run

START = datetime(2026, 1, 1, tzinfo=UTC)
TIMES = Times()
Story = Callable[[], Coroutine[Any, Any, None]]


@dataclass
class Store:
    """A Lease as the API server keeps it."""

    manifest: dict[str, Any] | None = None
    version: int = 0
    writes: list[tuple[float, str]] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def write(self, spec: Mapping[str, Any]) -> dict[str, Any]:
        self.version += 1
        old = self.manifest["spec"] if self.manifest else {}
        merged = {k: v for k, v in {**old, **spec}.items() if v is not None}
        self.manifest = {"metadata": {"resourceVersion": str(self.version)}, "spec": merged}
        self.writes.append((now(), merged.get("holderIdentity", "")))
        self._tell()
        return self.manifest

    def delete(self) -> None:
        self.manifest = None
        self._tell()

    @property
    def holder(self) -> str:
        return self.manifest["spec"].get("holderIdentity", "") if self.manifest else ""

    def _tell(self) -> None:
        self.changed.set()
        self.changed = asyncio.Event()


@dataclass
class Line:
    """One candidate's connection to the store, which can break."""

    store: Store
    down: bool = False
    answers_are_lost: bool = False
    watch_is_silent: bool = False
    delay: float = 0.01
    answer_delay: float = 0.0
    """How much later the answer to a write comes."""
    reads: int = 0

    async def _reach(self) -> None:
        await asyncio.sleep(self.delay)
        if self.down:
            raise UnavailableError("The API server did not answer")

    async def _answer(self, manifest: dict[str, Any]) -> dict[str, Any]:
        await asyncio.sleep(self.answer_delay)
        if self.answers_are_lost:
            raise UnavailableError("The answer was lost")
        return manifest

    async def read(self) -> Mapping[str, Any] | None:
        self.reads += 1
        await self._reach()
        return self.store.manifest

    async def follow(self) -> AsyncGenerator[Mapping[str, Any] | None, None]:
        while True:
            await self._reach()
            if not self.watch_is_silent:
                yield self.store.manifest
            await self.store.changed.wait()

    async def create(self, spec: Mapping[str, Any]) -> Mapping[str, Any]:
        await self._reach()
        if self.store.manifest is not None:
            raise ConflictError("exists")
        return await self._answer(self.store.write(spec))

    async def change(self, version: str, spec: Mapping[str, Any]) -> Mapping[str, Any]:
        await self._reach()
        current = self.store.manifest
        if current is None or current["metadata"]["resourceVersion"] != version:
            raise ConflictError("changed")
        return await self._answer(self.store.write(spec))


class Candidate:
    """One operator: what it did as leader, and when."""

    def __init__(self, store: Store, name: str, skew: timedelta = timedelta()) -> None:
        self.line = Line(store)
        self.frozen_for = 0.0
        self.election = Election(
            self.line,
            name,
            clock=lambda: START + skew + timedelta(seconds=now()),
            times=TIMES,
            uptime=lambda: now() + self.frozen_for,
        )
        self.terms: list[list[float]] = []
        self.failures = 0

    def start(self) -> None:
        self.election.start(self.begin, self.end)

    async def begin(self) -> None:
        if self.failures:
            self.failures -= 1
            raise UnavailableError("not yet")
        self.terms.append([now()])

    async def end(self) -> None:
        if self.terms and len(self.terms[-1]) == 1:
            self.terms[-1].append(now())

    async def die(self) -> None:
        """End without a last word."""
        task = self.election._task
        assert task is not None
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(met: Callable[[], bool], seconds: float = 60) -> float:
    """Return the second at which something became true."""
    async with asyncio.timeout(seconds):
        while not met():  # noqa: ASYNC110 - virtual time costs nothing
            await asyncio.sleep(0.01)
    return now()


def pair(store: Store) -> tuple[Candidate, Candidate]:
    return Candidate(store, "a"), Candidate(store, "b")


async def led_by_a(store: Store, *candidates: Candidate) -> None:
    first, *others = candidates
    first.start()
    await until(lambda: bool(first.terms))
    for other in others:
        other.start()
    await asyncio.sleep(30)
    assert store.holder == "a"
    assert all(not other.terms for other in others)


def test_the_first_leads_and_the_second_stands_by() -> None:
    async def story() -> None:
        store = Store()
        a, b = pair(store)
        await led_by_a(store, a, b)
        assert len(a.terms) == 1
        assert a.election.leading
        assert not b.election.leading
        assert b.election.seconds_to_write() == 0
        assert {who for _, who in store.writes} == {"a"}
        await a.die()
        await b.die()

    run(story())


def test_standing_by_asks_once_and_then_listens() -> None:
    async def story() -> None:
        store = Store()
        a, b = pair(store)
        await led_by_a(store, a, b)
        assert b.line.reads == 1
        await a.die()
        await b.die()

    run(story())


def test_a_killed_leader_is_followed_within_the_duration_of_the_lease() -> None:
    async def story() -> None:
        store = Store()
        a, b = pair(store)
        await led_by_a(store, a, b)
        await a.die()
        killed, renewed = now(), store.writes[-1][0]
        took_over = await until(lambda: bool(b.terms))
        assert renewed + TIMES.lease <= took_over <= killed + TIMES.lease + 0.1
        await b.die()

    run(story())


def test_a_leader_that_stops_hands_over_at_once() -> None:
    async def story() -> None:
        store = Store()
        a, b = pair(store)
        await led_by_a(store, a, b)
        await a.election.stop()
        stopped = now()
        assert await until(lambda: bool(b.terms)) - stopped < 0.1
        assert store.holder == "b"
        await b.election.stop()
        assert store.holder == ""

    run(story())


@pytest.mark.parametrize("skew", [timedelta(hours=-5), timedelta(seconds=9), timedelta(days=400)])
def test_clocks_that_differ_change_nothing(skew: timedelta) -> None:
    async def story() -> None:
        store = Store()
        a, b = Candidate(store, "a"), Candidate(store, "b", skew)
        await led_by_a(store, a, b)
        await a.die()
        killed = now()
        assert TIMES.lease - TIMES.retry <= await until(lambda: bool(b.terms)) - killed
        await b.die()

    run(story())


@pytest.mark.parametrize("broken", ["down", "answers_are_lost"])
def test_a_leader_without_an_answer_ends_before_another_begins(broken: str) -> None:
    async def story() -> None:
        store = Store()
        a, b = pair(store)
        await led_by_a(store, a, b)
        setattr(a.line, broken, True)
        if broken == "answers_are_lost":  # it goes on renewing, and cannot know
            await until(lambda: len(a.terms[0]) == 2)
            a.line.down = True
        await until(lambda: bool(b.terms))
        began, ended = a.terms[0]
        assert began < ended
        assert b.terms[0][0] - ended >= TIMES.lease - TIMES.renew_within - 0.1
        assert a.election.seconds_to_write() == 0
        a.line.down = False
        await asyncio.sleep(30)
        assert len(a.terms) == 1, "it stands by"
        await a.die()
        await b.die()

    run(story())


def test_a_short_outage_costs_no_leadership() -> None:
    async def story() -> None:
        store = Store()
        (a,) = [Candidate(store, "a")]
        await led_by_a(store, a)
        a.line.down = True
        await asyncio.sleep(TIMES.renew_within - TIMES.retry - 0.6)
        a.line.down = False
        await asyncio.sleep(20)
        assert len(a.terms) == 1
        assert len(a.terms[0]) == 1
        await a.die()

    run(story())


def test_a_frozen_leader_writes_nothing_when_it_wakes() -> None:
    async def story() -> None:
        store = Store()
        a, b = pair(store)
        await led_by_a(store, a, b)
        a.line.down = True  # neither sends nor notices
        a.frozen_for = 3600.0  # its loop's timers know nothing of it
        assert not a.election.leading
        assert a.election.seconds_to_write() == 0
        await until(lambda: bool(b.terms))
        a.line.down = False
        await asyncio.sleep(30)
        assert len(a.terms) == 1
        await a.die()
        await b.die()

    run(story())


def test_no_write_outlives_the_time_after_which_others_may_lead() -> None:
    async def story() -> None:
        store = Store()
        (a,) = [Candidate(store, "a")]
        await led_by_a(store, a)
        a.line.down = True
        renewed = store.writes[-1][0] - a.line.delay
        while (left := a.election.seconds_to_write()) > 0:
            assert now() + left <= renewed + TIMES.lease - WRITE_MARGIN_SECONDS + 1e-6
            await asyncio.sleep(0.1)
        assert now() - renewed <= TIMES.renew_within + 0.1
        await a.die()

    run(story())


def test_a_renewal_whose_answer_was_lost_is_recognised() -> None:
    async def story() -> None:
        store = Store()
        (a,) = [Candidate(store, "a")]
        await led_by_a(store, a)
        a.line.answers_are_lost = True
        await asyncio.sleep(TIMES.retry)
        a.line.answers_are_lost = False
        await asyncio.sleep(20)
        assert len(a.terms[0]) == 1
        await a.die()

    run(story())


def test_a_lease_that_somebody_deleted_is_made_anew_and_never_two_lead() -> None:
    async def story() -> None:
        store = Store()
        a, b = pair(store)
        await led_by_a(store, a, b)
        store.delete()
        await asyncio.sleep(30)
        terms = sorted(term for one in (a, b) for term in one.terms)
        assert len(terms) == 2
        assert terms[0][1] < terms[1][0]
        await a.die()
        await b.die()

    run(story())


def test_a_lease_that_somebody_took_is_left_to_them() -> None:
    async def story() -> None:
        store = Store()
        (a,) = [Candidate(store, "a")]
        await led_by_a(store, a)
        store.write({"holderIdentity": "thief", "renewTime": "x", "leaseDurationSeconds": 60})
        await until(lambda: len(a.terms[0]) == 2)
        taken = now()
        assert await until(lambda: len(a.terms) == 2, 120) - taken >= 55
        await a.die()

    run(story())


def test_a_silent_watch_lets_nobody_take_over() -> None:
    async def story() -> None:
        store = Store()
        a, b = pair(store)
        b.line.watch_is_silent = True
        await led_by_a(store, a, b)
        await asyncio.sleep(120)
        assert not b.terms
        await a.die()
        killed = now()
        assert await until(lambda: bool(b.terms)) - killed <= 2 * TIMES.lease
        await b.die()

    run(story())


def test_of_many_that_wait_one_gets_it() -> None:
    async def story() -> None:
        store = Store()
        a, *others = [Candidate(store, name) for name in "abcdef"]
        await led_by_a(store, a, *others)
        await a.die()
        await asyncio.sleep(60)
        assert sum(len(other.terms) for other in others) == 1
        for other in others:
            await other.die()

    run(story())


def test_a_beginning_that_fails_is_tried_again_while_the_lease_is_renewed() -> None:
    async def story() -> None:
        store = Store()
        (a,) = [Candidate(store, "a")]
        a.failures = 5
        a.start()
        assert await until(lambda: bool(a.terms)) >= 5 * TIMES.retry
        assert len(store.writes) >= 4
        assert a.election.alive
        await a.election.stop()

    run(story())


def test_all_that_wait_at_an_api_server_that_is_away_lead_when_it_is_back() -> None:
    async def story() -> None:
        store = Store()
        a, b = pair(store)
        await led_by_a(store, a, b)
        a.line.down = b.line.down = True
        await asyncio.sleep(300)
        assert len(a.terms[0]) == 2
        assert not b.terms
        a.line.down = b.line.down = False
        back = now()
        await until(lambda: a.election.leading or b.election.leading)
        assert now() - back <= TIMES.lease + TIMES.retry
        await asyncio.sleep(20)
        assert a.election.leading != b.election.leading
        await a.die()
        await b.die()

    run(story())


def test_a_leader_that_has_not_begun_does_not_work() -> None:
    async def story() -> None:
        store = Store()
        (a,) = [Candidate(store, "a")]
        a.failures = 3
        a.start()
        await until(lambda: a.election.leading)
        assert not a.election.working
        await until(lambda: bool(a.terms))
        assert a.election.working
        a.line.down = True
        await until(lambda: len(a.terms[0]) == 2)
        assert not a.election.working
        await a.die()

    run(story())


def test_an_end_before_the_answer_to_a_claim_gives_the_lease_back() -> None:
    async def story() -> None:
        store = Store()
        (a,) = [Candidate(store, "a")]
        a.line.answer_delay = 5.0
        a.start()
        await until(lambda: store.holder == "a")
        await a.election.stop()
        assert store.holder == ""
        assert not a.terms

    run(story())


def test_what_goes_wrong_is_told_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> None:
        store = Store()
        (a,) = [Candidate(store, "a")]
        a.line.down = True
        a.start()
        await asyncio.sleep(150)
        await a.die()

    run(story())
    told = [record for record in caplog.records if "tried again" in record.message]
    assert len(told) == 3
