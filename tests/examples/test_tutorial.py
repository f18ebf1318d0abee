"""`docs/tutorial.md`: its commands in its order, in its playgrounds, print what it shows."""

import os
import re
import shutil
from pathlib import Path

import pytest

from tests.docs.tutorial import (
    FENCE,
    PAGES,
    ROOT,
    Shown,
    Terminals,
    parts,
    shown_in,
    with_outputs,
)
from tests.playground.mesh.conftest import needs_envoy  # noqa: F401 - a fixture
from tests.support.snapshots import UPDATE_VARIABLE

pytestmark = [
    pytest.mark.asyncio(loop_scope="function"),
    pytest.mark.usefixtures("needs_envoy"),
    pytest.mark.skipif(not shutil.which("kubectl"), reason="needs kubectl"),
    pytest.mark.skipif(not shutil.which("curl"), reason="needs curl"),
    pytest.mark.xdist_group("tutorial"),
]

PAGE = PAGES[0].read_text(encoding="utf-8")
ASKED = 1000
DEVIATIONS = 6
STRAGGLERS = 20
"""Answers of a version that has just lost its traffic: proxies hear of it a moment later."""
ANSWERS = re.compile(r'^ *(\d+) "version": "(v\d)"$', re.MULTILINE)
VOLATILE = {
    r"-[a-z0-9]{10}-[a-z0-9]{5}\b": "-HASH",
    r"\b(?:\d+m)?\d+s\b|\b\d+m\b": "AGE",
    r"\b\d\d:\d\d:\d\dZ": "TIME",
    r"\b\d+ of \d+ canary requests failed \([\d.]+ %\)": "SOME canary requests failed",
    r"[ ]+": " ",
    r"(?m)^ ": "",
}


def commands(text: str) -> list[Shown]:
    return [one for block in FENCE.findall(text) for one in shown_in(*block)]


def answers(output: str) -> dict[str, int]:
    return {version: int(count) for count, version in ANSWERS.findall(output)}


def looks_like(printed: str, shown: str) -> bool:
    """Return whether two outputs differ only in what differs each time."""
    if counted := answers(shown):
        return close(answers(printed), counted)
    for pattern, word in VOLATILE.items():
        printed, shown = re.sub(pattern, word, printed), re.sub(pattern, word, shown)
    return printed == shown


def close(printed: dict[str, int], shown: dict[str, int]) -> bool:
    """Return whether chance alone may be between two counts of who answered."""
    share = shown.get("v2", 0) / ASKED
    spread = DEVIATIONS * (2 * ASKED * share * (1 - share)) ** 0.5
    apart = abs(printed.get("v2", 0) - shown.get("v2", 0))
    complete = sum(printed.values()) == sum(shown.values()) == ASKED
    return complete and apart <= max(spread, STRAGGLERS)


async def play(chosen: list[Shown], folder: Path) -> list[str]:
    """Run commands, and return what those printed whose output is shown."""
    shutil.copytree(ROOT / "examples", folder / "examples")
    printed = []
    async with Terminals(folder) as terminals:
        for one in chosen:
            output = await terminals.run(one.command)
            if one.output is None:
                continue
            printed.append(output)
            if not os.environ.get(UPDATE_VARIABLE):
                assert looks_like(output, one.output), f"{one.command}\n{output}"
    return printed


@pytest.mark.timeout(120)
@pytest.mark.skipif(bool(os.environ.get(UPDATE_VARIABLE)), reason="the whole is written at once")
async def test_a_canary_by_hand_goes_as_told(tmp_path: Path) -> None:
    chosen = commands(PAGE.partition("\n## 2. ")[0])
    assert [one for one in chosen if one.command == "versions by-hand"]
    await play(chosen, tmp_path)


@pytest.mark.exhaustive
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    "part", range(len(parts(PAGE))), ids=["without-a-mesh", "with-istio", "autoscaling"]
)
async def test_all_of_it_goes_as_told(tmp_path: Path, part: int) -> None:
    printed = await play(commands(parts(PAGE)[part]), tmp_path)
    if os.environ.get(UPDATE_VARIABLE):
        for page in PAGES:
            texts = parts(page.read_text(encoding="utf-8"))
            texts[part] = with_outputs(texts[part], printed)
            page.write_text("".join(texts), encoding="utf-8")


@pytest.mark.parametrize(
    ("printed", "expected"),
    [
        ('    980 "version": "v1"\n     20 "version": "v2"', True),
        ('    750 "version": "v1"\n    250 "version": "v2"', False),
        ('    985 "version": "v1"\n     10 "version": "v2"', False),
        ("", False),
    ],
)
async def test_who_answered_may_differ_by_chance_and_by_no_more(
    printed: str, *, expected: bool
) -> None:
    shown = '    990 "version": "v1"\n     10 "version": "v2"'
    assert looks_like(printed, shown) is expected


async def test_a_phase_or_a_weight_may_not_differ() -> None:
    row = "helloworld   Progressing   10       2/3    False   92s"
    assert looks_like(row.replace("92s", "2m3s"), row)
    assert not looks_like(row.replace("10 ", "25 "), row)
    assert not looks_like(row.replace("Progressing", "Paused"), row)
