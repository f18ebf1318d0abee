"""The pictures of the tutorial: what is drawn, and that each has its story."""

from pathlib import Path

import pytest

from benchmarks.tutorial_pictures.__main__ import EVERYBODY, STORIES
from benchmarks.tutorial_pictures.picture import draw, measured
from benchmarks.tutorial_pictures.recording import Look, Story

PAGE = Path(__file__).parents[2] / "docs" / "tutorial.md"
PNG = b"\x89PNG\r\n\x1a\n"


def look(at: float, new: int, old: int) -> Look:
    return Look(at, 25, {"v1": 3, "v2": 1}, {EVERYBODY.label: {"v1": old, "v2": new}})


def test_a_dot_is_the_share_of_five_seconds() -> None:
    looks = [look(float(at), new=at, old=100 - at) for at in range(11)]
    assert measured(looks, EVERYBODY.label) == [(2.0, 2.0), (7.0, 7.0)]


def test_seconds_without_answers_make_no_dot() -> None:
    assert measured([look(float(at), new=0, old=0) for at in range(11)], EVERYBODY.label) == []


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.example)
def test_a_story_is_on_the_page_and_plays_files_that_exist(story: Story) -> None:
    assert f"images/tutorial-{story.example}.png" in PAGE.read_text(encoding="utf-8")
    names = {story.manifest(file)["metadata"]["name"] for file in (story.first, story.second)}
    assert names == {story.name}


def test_a_story_becomes_a_picture(tmp_path: Path) -> None:
    file = tmp_path / "story.png"
    draw(STORIES[0], [look(float(at), new=1, old=3) for at in range(60)], file)
    assert file.read_bytes().startswith(PNG)
