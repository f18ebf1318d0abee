import asyncio
import threading
from collections.abc import Callable

import pytest

from canary_operator.adapters.metrics import lanes
from canary_operator.adapters.metrics.lanes import BusyLaneError, CustomLanes, Lane


async def test_a_result_and_an_error_come_back() -> None:
    lane = Lane(1, "lane")
    assert await lane.run(lambda: 7, 1) == 7
    with pytest.raises(ZeroDivisionError):
        await lane.run(lambda: 1 // 0, 1)
    lane.close()


async def test_a_call_that_hangs_keeps_its_place_until_it_ends() -> None:
    lane, released = Lane(1, "lane"), threading.Event()
    with pytest.raises(TimeoutError):
        await lane.run(released.wait, 0.05)
    with pytest.raises(BusyLaneError):
        await lane.run(lambda: 7, 0.05)
    released.set()
    assert await lane.run(lambda: 7, 5) == 7
    lane.close()


async def test_who_waits_may_be_cancelled_without_losing_a_place() -> None:
    lane, released = Lane(1, "lane"), threading.Event()
    running = asyncio.ensure_future(lane.run(released.wait, 5))
    waiting = asyncio.ensure_future(lane.run(lambda: 7, 5))
    await asyncio.sleep(0)
    running.cancel()
    waiting.cancel()
    await asyncio.gather(running, waiting, return_exceptions=True)
    released.set()
    assert await lane.run(lambda: 7, 5) == 7
    lane.close()


@pytest.fixture
def release(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Return what slow calls wait for; whoever took a twentieth of a second is slow."""
    monkeypatch.setattr(lanes, "SLOW_SECONDS", 0.05)
    return threading.Event()


async def learnt(many: CustomLanes[str], owner: str, call: Callable[[], object]) -> None:
    """Let an owner make a call that is given up after twice as long as a slow one takes."""
    with pytest.raises(TimeoutError):
        await many.of(owner).run(call, 0.1)


async def test_owners_that_were_slow_wait_only_for_each_other(release: threading.Event) -> None:
    many: CustomLanes[str] = CustomLanes(2, "custom")
    for owner in ("slow", "slower", "slowest"):
        ended = threading.Event()
        await learnt(many, owner, lambda ended=ended: ended.wait(5))  # type: ignore[misc]
        ended.set()
    again = [
        asyncio.ensure_future(many.of(owner).run(lambda: release.wait(5), 5))
        for owner in ("slow", "slower", "slowest")
    ]
    await asyncio.sleep(0)
    assert await many.of("quick").run(lambda: 7, 5) == 7
    assert not any(one.done() for one in again)
    release.set()
    assert await asyncio.gather(*again) == [True] * 3
    many.close()


async def test_who_waited_long_for_its_place_is_not_slow(release: threading.Event) -> None:
    many: CustomLanes[str] = CustomLanes(2, "custom")
    slow = asyncio.ensure_future(learnt(many, "slow", lambda: release.wait(5)))
    await asyncio.sleep(0)
    waited = asyncio.ensure_future(many.of("quick").run(lambda: 7, 5))
    await slow
    release.set()
    assert await waited == 7

    release.clear()
    again = asyncio.ensure_future(many.of("slow").run(lambda: release.wait(5), 5))
    await asyncio.sleep(0)
    assert await many.of("quick").run(lambda: 7, 0.5) == 7
    release.set()
    assert await again
    many.close()


async def test_who_became_quick_again_leaves_the_slow(release: threading.Event) -> None:
    many: CustomLanes[str] = CustomLanes(2, "custom")
    for owner in ("slow", "better"):
        ended = threading.Event()
        await learnt(many, owner, lambda ended=ended: ended.wait(5))  # type: ignore[misc]
        ended.set()
    assert await many.of("better").run(lambda: 7, 5) == 7  # still among the slow, the last time
    hangs = asyncio.ensure_future(many.of("slow").run(lambda: release.wait(5), 5))
    await asyncio.sleep(0)
    assert await many.of("better").run(lambda: 7, 0.5) == 7
    assert not hangs.done()
    release.set()
    await hangs
    many.close()


async def test_slow_owners_are_not_remembered_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "SLOW_SECONDS", -1.0)
    monkeypatch.setattr(lanes, "MOST_REMEMBERED", 3)
    many: CustomLanes[int] = CustomLanes(2, "custom")
    for owner in (1, 2, 3, 1, 4, 5):
        await many.of(owner).run(lambda: None, 5)
    assert list(many._slow_owners) == [1, 4, 5], "the last ones"
    many.close()
