"""The tutorial is the same in every language, and its numbers are those of the rules."""

import re
from pathlib import Path

import pytest

from canary_operator.domain.split import PodRatio
from tests.docs.tutorial import FENCE, PAGES, PLAYGROUND, ROOT, parts, shown_in, with_outputs

ENGLISH, *OTHERS = (page.read_text(encoding="utf-8") for page in PAGES)
LANGUAGES = [page.name for page in PAGES[1:]]
IMAGE = re.compile(r"!\[[^\]]+\]\(([^)]+)\)")
LINK = re.compile(r"\]\(([^)#\s]+)")
HEADING = re.compile(r"^(#+) ", re.MULTILINE)
ROW = re.compile(r"^\| (\d+) \| (\d+) % \|$", re.MULTILINE)
LARGEST_KILOBYTES = 80


@pytest.mark.parametrize("other", OTHERS, ids=LANGUAGES)
def test_languages_have_the_same_commands_and_outputs(other: str) -> None:
    assert FENCE.findall(other) == FENCE.findall(ENGLISH)


@pytest.mark.parametrize("other", OTHERS, ids=LANGUAGES)
def test_languages_have_the_same_headings_pictures_links_and_numbers(other: str) -> None:
    for part in (HEADING, IMAGE, ROW):
        assert part.findall(other) == part.findall(ENGLISH)
    own = {page.name for page in PAGES}
    assert set(LINK.findall(other)) - own == set(LINK.findall(ENGLISH)) - own


@pytest.mark.parametrize("other", OTHERS, ids=LANGUAGES)
def test_a_line_has_one_sentence_in_korean_too(other: str) -> None:
    for line in FENCE.sub("", other).splitlines():
        if not line.startswith(("|", "#")):
            assert not re.search(r"[가-힣)`*][.?!] \S", line), line


def test_the_smallest_shares_are_those_of_the_rules() -> None:
    rows = [(int(pods), int(share)) for pods, share in ROW.findall(ENGLISH)]
    assert rows == [(pods, PodRatio(pods).smallest_share()) for pods, _ in rows]
    assert (3, 25) in rows
    assert (99, 1) in rows


def test_what_the_page_quotes_of_an_example_stands_there() -> None:
    quoted = [text for language, text in FENCE.findall(ENGLISH) if language == "yaml"]
    examples = "".join(path.read_text("utf-8") for path in sorted(ROOT.glob("examples/*/*.yaml")))
    for text in quoted:
        for line in text.splitlines():
            assert line.strip() in examples, line


def test_every_file_that_is_applied_exists() -> None:
    applied = re.findall(r"examples/[\w./-]+\.yaml", "".join(t for _, t in FENCE.findall(ENGLISH)))
    assert applied
    for path in applied:
        assert (ROOT / path).is_file(), path


@pytest.mark.parametrize("picture", IMAGE.findall(ENGLISH))
def test_a_picture_is_small(picture: str) -> None:
    assert (PAGES[0].parent / picture).stat().st_size < LARGEST_KILOBYTES * 1000


@pytest.mark.parametrize(
    "page",
    [ROOT / "README.md", *sorted(ROOT.glob("examples/*/README.md"))],
    ids=lambda page: str(page.relative_to(ROOT)),
)
def test_whoever_meets_an_example_finds_the_tutorial(page: Path) -> None:
    assert "docs/tutorial.md" in page.read_text(encoding="utf-8")


def test_outputs_are_written_where_their_commands_stand() -> None:
    page = "```sh\nrun\n```\n```console\n$ one\n{}$ two\n{}```\n```console\n$ three\n{}```\n"
    written = with_outputs(page.format("old\n", "", "old\n"), ["1", "2\n  2", "3"])
    assert written == page.format("1\n", "2\n  2\n", "3\n")


def test_every_command_line_is_one_command() -> None:
    commands = [one.command for block in FENCE.findall(ENGLISH) for one in shown_in(*block)]
    assert [one for one in commands if PLAYGROUND.match(one)] == [
        "make playground OPTIONS=--no-istio",
        "make playground",
        "make playground OPTIONS=--rate=32",
    ]
    assert not [one for one in commands if one.endswith("\\")]


def test_a_part_is_what_one_playground_is_for() -> None:
    first, second, third = parts(ENGLISH)
    assert first + second + third == ENGLISH
    assert "OPTIONS=--no-istio" in first
    assert second.startswith("```sh\nmake playground\n")
    assert third.startswith("```sh\nmake playground OPTIONS=--rate=32\n")
