"""The operator is killed (SIGKILL) next to each of its writes, and ends where it would have ended.

A story is told once without a kill, which says what the operator writes. Then it is told again for
each side of each write: the operator dies before the write is sent, or after it is done and before
its answer comes. Weights are followed all the time: none but those of an undisturbed rollout.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from copy import deepcopy

import pytest
import pytest_asyncio

from tests.faults.ground import Ground, open_ground
from tests.faults.killing import (
    PROMOTE,
    ROLLBACK,
    WEIGHTS,
    Boundary,
    Story,
    Told,
    boundaries,
    leaves_check_untold,
    losable,
    tell,
)

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("kills")]

AT_ONCE = 8
SOME = 29
"""Every which boundary is tried where not all are."""
TRIES = 3
DETAILS = "details"
"""A write of counts only: whether there is one depends on how quick pods are."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ground(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Ground]:
    async with open_ground(tmp_path_factory.mktemp("ground")) as ground:
        yield ground


def differences(undisturbed: Told, told: Told, kill: Boundary) -> list[str]:
    """Return what a kill changed, in words."""
    expected, losable_events = deepcopy(undisturbed.end), losable(undisturbed.writes, kill)
    if leaves_check_untold(undisturbed.writes, kill):
        losable_events["CheckFailed"] += 1
    found = [
        f"{key}: {told.end[key]} instead of {wanted}"
        for key, wanted in expected.items()
        if told.end[key] != wanted
    ]
    if told.weights != WEIGHTS:
        found.append(f"weights {told.weights}")
    if twice := told.events - undisturbed.events:
        found.append(f"told too often: {dict(twice)}")
    if lost := undisturbed.events - told.events - losable_events:
        found.append(f"not told: {dict(lost)}")
    return found


async def retold(ground: Ground, story: Story, undisturbed: Told, kill: Boundary) -> list[str]:
    """Tell a story with a kill; return what came out differently."""
    for attempt in range(TRIES):
        number = boundaries(undisturbed.writes).index(kill)
        told = await tell(ground, story, f"{story.name}-{number}-{attempt}", kill)
        if found := differences(undisturbed, told, kill):
            return found
        if told.killed:
            return []
    return [] if DETAILS in kill.write else [f"that moment never came in {TRIES} tries"]


async def check(ground: Ground, story: Story, step: int) -> None:
    """Kill next to every write, or to some; all of it at the same time as far as it goes."""
    undisturbed = await tell(ground, story, story.name)
    assert undisturbed.weights == WEIGHTS
    chosen: Sequence[Boundary] = boundaries(undisturbed.writes)[::step]
    slots = asyncio.Semaphore(AT_ONCE)

    async def one(kill: Boundary) -> str:
        async with slots:
            try:
                found = await retold(ground, story, undisturbed, kill)
            except AssertionError as error:
                found = [str(error)]
        return f"{story.name}, killed at {kill}: {'; '.join(found)}" if found else ""

    wrong = [words for words in await asyncio.gather(*map(one, chosen)) if words]
    assert not wrong, "\n".join(wrong)


async def test_a_kill_next_to_some_writes_changes_nothing(ground: Ground) -> None:
    await asyncio.gather(check(ground, PROMOTE, SOME), check(ground, ROLLBACK, SOME))


@pytest.mark.exhaustive
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("story", [PROMOTE, ROLLBACK], ids=lambda story: story.name)
async def test_a_kill_next_to_any_write_changes_nothing(ground: Ground, story: Story) -> None:
    await check(ground, story, step=1)
