"""Release after release, nothing stays behind: a small edition of `make bench-endurance`."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.endurance import in_memory, over_http
from benchmarks.endurance.census import Census, leaks
from canary_operator.adapters.telemetry.operator import OperatorTelemetry
from canary_operator.ports import Key
from canary_operator.telemetry import Look, Silence
from tests.support import virtual_time

ROLLOUTS, RELEASES, WARM_UP = 20, 24, 12
CENSUS = Census(megabytes=100.0, blocks=100_000, tasks=10, threads=10, files=10, series=10)


@pytest.fixture(autouse=True)
def silent() -> Iterator[None]:
    """The log of thousands of releases is not what is tested, and pytest would keep it."""
    logging.disable(logging.WARNING)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.exhaustive
def test_releases_in_memory_leave_nothing_behind() -> None:
    assert virtual_time.run(in_memory.endure(ROLLOUTS, RELEASES, WARM_UP)) == []


class Hoarder(Silence):
    """Keeps one entry for each revision of each rollout."""

    def __init__(self) -> None:
        self.kept: dict[tuple[Key, str], int] = {}

    def looked(self, look: Look) -> None:
        attempt = (look.status.attempt and look.status.attempt.started_at) or ""
        self.kept[look.rollout.key, str(attempt)] = 1


@pytest.mark.exhaustive
def test_one_entry_for_each_release_is_found() -> None:
    story = in_memory.endure(ROLLOUTS, RELEASES, WARM_UP, telemetry=lambda _: Hoarder())
    (leak,) = virtual_time.run(story)
    assert "blocks of memory stay of each release" in leak


def test_series_of_deleted_rollouts_are_found() -> None:
    def faithful(own: OperatorTelemetry) -> OperatorTelemetry:
        own.gone = lambda _: None  # type: ignore[method-assign,assignment,misc]
        return own

    found = virtual_time.run(in_memory.endure(ROLLOUTS, 3, 1, telemetry=faithful))
    assert any("series" in leak for leak in found)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        pytest.param({"megabytes": 106.0}, "resident memory grew by 6.0%", id="memory"),
        pytest.param({"tasks": 11}, "there are 11 tasks, and there were 10", id="tasks"),
        pytest.param({"threads": 27}, "there are 27 threads, and there were 10", id="threads"),
        pytest.param({"files": 27}, "there are 27 files, and there were 10", id="sockets"),
        pytest.param({"series": 11}, "there are 11 series, and there were 10", id="series"),
    ],
)
def test_what_grows_is_named(changes: dict[str, Any], words: str) -> None:
    assert not list(leaks(CENSUS, CENSUS, 100))
    (found,) = leaks(CENSUS, Census(**{**vars(CENSUS), **changes}), 100)
    assert words in found


async def test_the_process_holds_nothing_of_releases(tmp_path: Path) -> None:
    assert await over_http.endure(rollouts=10, releases=3, warm_up=1, folder=tmp_path) == []
