import asyncio
import threading

import pytest

from canary_operator.adapters.metrics.lanes import BusyLaneError, Lane


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
