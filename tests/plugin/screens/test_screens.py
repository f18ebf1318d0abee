"""What people see of a rollout, as snapshots: narrow and wide, Unicode and ASCII, and in pipes."""

import json
import re
import sys
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any

import click
import pytest
import yaml
from rich.console import Group, RenderableType
from rich.text import Text

from canary_operator.domain.status import RolloutStatus
from canary_operator.plugin.console import Look, Sheet, open_sheet
from canary_operator.plugin.family import Family, family_of
from canary_operator.plugin.formats import formatted, json_line
from canary_operator.plugin.options import look_options
from canary_operator.plugin.presenting import Frame, Lines, presenter
from canary_operator.plugin.screens.events import events_table, newest_first
from canary_operator.plugin.screens.get import whole
from canary_operator.plugin.screens.history import entries, history
from canary_operator.plugin.screens.rollouts import rollouts_table
from canary_operator.plugin.screens.tree import tree
from canary_operator.plugin.screens.watch import News, change_of, frame, line, named_line, summary
from canary_operator.plugin.trail import Trail
from tests.plugin import sights
from tests.plugin.sights import CANARY, NOW, STABLE, ago, sight
from tests.support.paper import Paper, drawn, sheet
from tests.support.snapshots import check_snapshot

ROLLOUTS: dict[str, Callable[[], dict[str, Any]]] = {
    "progressing": sights.progressing,
    "paused": sights.paused,
    "stable": sights.stable,
    "rolled-back": sights.rolled_back,
    "refused": sights.refused,
    "unseen": sights.unseen,
}
PAPERS: dict[str, dict[str, Any]] = {
    "80": {"width": 80},
    "140": {"width": 140},
    "80-ascii": {"width": 80, "plain": True},
    "pipe": {"terminal": False},
}
IMAGES = {STABLE: "web:v1", CANARY: "web:v2", "65f99e1df3": "web:v3"}

EVENTS: list[dict[str, Any]] = [
    {
        "type": "Normal",
        "reason": "RolloutStarted",
        "lastTimestamp": ago(130),
        "message": f"Revision {CANARY} is on trial against {STABLE}.",
    },
    {
        "type": "Warning",
        "reason": "CheckInconclusive",
        "lastTimestamp": ago(12),
        "count": 3,
        "message": "latency: Prometheus did not answer within 5 s, tried again at the next check",
    },
    {
        "type": "Normal",
        "reason": "WeightChanged",
        "lastTimestamp": ago(30),
        "message": f"Step 2 of 3: revision {CANARY} 5 % → 20 %.",
    },
]


def trail() -> Trail:
    found = Trail()
    values = [100, 99.95, 98.2, None, 99.1, 100]
    for index, value in enumerate(values):
        judgement = sights.METRICS[0] | {
            "value": None if value is None else f"{value} %",
            "verdict": "Inconclusive" if value is None else "Pass" if value >= 99 else "Fail",
            "measuredAt": ago(300 - 30 * index),
        }
        status = RolloutStatus.read({"canaryRevision": CANARY, "metrics": [judgement]})
        found.add(status)
    found.add(sight().status)
    return found


def all_of(manifests: Iterable[dict[str, Any]]) -> list[Any]:
    return [sight(one) for one in manifests]


def _list(on: Sheet, **how: bool) -> Iterable[RenderableType]:
    found = all_of(make() for make in ROLLOUTS.values())
    options = {"namespaces": False, "wide": False} | how
    return rollouts_table(found, NOW, on, **options)


def _frame(on: Sheet) -> Iterable[RenderableType]:
    if on.live:
        on.console.height = 40
    return [_framed(on)]


def _framed(on: Sheet) -> Group:
    news = [News(NOW - timedelta(seconds=130), sight(sights.stable())), News(NOW, sight())]
    return frame(sight(), sights.family(), (trail(), news), NOW, on)


SCREENS: dict[str, Callable[[Sheet], Iterable[RenderableType]]] = {
    "list": _list,
    "list-wide": lambda on: _list(on, namespaces=True, wide=True),
    "get": lambda on: whole(sight(), sights.family(), IMAGES, NOW, on, wide=False),
    "watch": _frame,
    "history": lambda on: history(sight(), IMAGES, NOW, on),
    "events": lambda on: events_table(newest_first(EVENTS), NOW, on),
}


@pytest.mark.parametrize("paper", PAPERS)
@pytest.mark.parametrize("screen", SCREENS)
def test_a_screen(screen: str, paper: str) -> None:
    on = sheet(**PAPERS[paper])
    text = drawn(on, SCREENS[screen](on))
    check_snapshot(f"screens/{screen}-{paper}", text)
    if PAPERS[paper].get("plain"):
        assert text.isascii()
    if "width" in PAPERS[paper]:
        assert all(len(line) <= PAPERS[paper]["width"] for line in text.split("\n"))


@pytest.mark.parametrize("state", ROLLOUTS)
def test_a_rollout_in_every_state(state: str) -> None:
    on = sheet(100)
    found = whole(sight(ROLLOUTS[state]()), Family(), {}, NOW, on, wide=False)
    check_snapshot(f"screens/get-{state}", drawn(on, found))


@pytest.mark.parametrize("state", ROLLOUTS)
def test_one_line_in_every_state(state: str) -> None:
    on = sheet(terminal=False)
    found = sight(ROLLOUTS[state]())
    lines = [line(News(NOW, found), on), summary(found, on)]
    check_snapshot(f"screens/line-{state}", drawn(on, lines))


BACKGROUND_OR_UNREADABLE = re.compile(
    r"\x1b\[[0-9;]*?\b(?:33|34|36|37|93|94|96|97|4[0-7]|10[0-7]|38|48)[;m]"
)


@pytest.mark.parametrize("screen", SCREENS)
def test_colours_can_be_read_on_light_and_on_dark(screen: str) -> None:
    """No background, no yellow, white, blue or cyan; only the sixteen of the terminal."""
    on = sheet(140, color=True)
    text = drawn(on, SCREENS[screen](on), raw=True)
    assert "\x1b[" in text
    assert not BACKGROUND_OR_UNREADABLE.search(text)


def test_no_color_means_no_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    on = open_sheet(None, Paper())
    text = drawn(on, SCREENS["get"](on), raw=True)
    assert not re.search(r"\x1b\[[0-9;]*3[0-7]", text)


def test_a_missing_right_is_said_below_the_tree() -> None:
    on = sheet(100)
    hidden = "You may not list pods in namespace demo."
    found = whole(sight(), sights.family(hidden), {}, NOW, on, wide=False)
    assert hidden in drawn(on, found)


EVIL = "\x1b[2J\x1b]0;owned\x07 \x9b31m \u202e[red]"


@pytest.mark.parametrize("screen", ["get", "watch", "list", "events", "history"])
def test_no_control_sequence_of_the_cluster_reaches_the_terminal(screen: str) -> None:
    """Neither of a status nor of a pod, an image or an Event."""
    found = sights.changed(sights.progressing(), message=EVIL, canaryRevision=EVIL)
    found["status"]["metrics"][1]["message"] = EVIL
    found["status"]["history"][0]["message"] = EVIL
    found["metadata"]["annotations"] = {"canary-operator.dev/request": EVIL}
    pod = sights.crashing("canary-5b9c", EVIL)
    statuses = pod["status"]["containerStatuses"][0]["state"]["waiting"]
    statuses["message"] = statuses["reason"] = EVIL
    sets = [sights.replica_set("canary", "v2", "5b9c", 2, 1)]
    family = family_of([sights.deployment("canary", EVIL, 2, 1)], sets, [pod])
    on, one = sheet(140), sight(found)
    event = {"message": EVIL, "reason": EVIL, "type": EVIL}
    screens: dict[str, Callable[[], Iterable[RenderableType]]] = {
        "get": lambda: whole(one, family, {CANARY: EVIL}, NOW, on, wide=True),
        "watch": lambda: [frame(one, family, (trail(), [News(NOW, one)]), NOW, on)],
        "list": lambda: rollouts_table([one], NOW, on, namespaces=True, wide=True),
        "events": lambda: events_table([event], NOW, on),
        "history": lambda: history(one, {"65f99e1df3": EVIL}, NOW, on),
    }
    text = re.sub(r"\x1b\[[0-9;]*m", "", drawn(on, screens[screen](), raw=True))  # our own styles
    assert "x1b[2J" in text
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", text)


def test_pods_beyond_the_limit_are_counted_and_troubled_ones_come_first() -> None:
    on = sheet(140)
    text = drawn(on, tree(sight(), sights.family(), NOW, on, most_pods=1))
    assert "web-canary-5b9c-crash" in text
    assert "web-canary-5b9c-good1" not in text
    assert "3 more" in text


def test_history_as_data_names_images() -> None:
    found = entries(sight(), IMAGES)
    assert [(one["revision"], one["image"]) for one in found[:2]] == [
        ("65f99e1df3", "web:v3"),
        (STABLE, "web:v1"),
    ]


def test_a_change_as_data() -> None:
    found = change_of(News(NOW, sight()))
    assert found["time"] == "2026-11-28T10:41:30Z"
    assert (found["phase"], found["weight"], found["step"], found["end"]) == (
        "Progressing",
        20,
        "2/3",
        None,
    )
    assert found["metrics"][0]["value"] == "99.95 %"


def test_floors_as_data() -> None:
    found = change_of(News(NOW, sight(sights.autoscaled())))
    assert found["autoscaling"] == {
        "minReplicas": 2,
        "maxReplicas": 20,
        "fullLoad": 8,
        "stableFloor": 8,
        "canaryFloor": 2,
    }
    assert "autoscaling" not in change_of(News(NOW, sight()))


AT_REST: dict[str, Any] = {"phase": "Stable", "weight": 0, "attempt": None, "canaryRevision": None}


@pytest.mark.parametrize(
    ("status", "capacity", "words"),
    [
        pytest.param(
            {},
            "Baseline",
            "2 to 20 pods for each version; all requests take 8: stable keeps at least 8, "
            "the canary 2",
            id="on trial",
        ),
        pytest.param({}, "HPA", ": stable keeps at least 2, the canary 2", id="left to it"),
        pytest.param({"weight": 0}, "Baseline", ": stable keeps at least 8", id="no weight yet"),
        pytest.param(
            {**AT_REST, "trafficOffAt": ago(60)},
            "Baseline",
            "2 to 20 pods for each version; stable keeps at least 8",
            id="just promoted",
        ),
        pytest.param(
            {**AT_REST, "trafficOffAt": ago(900)},
            "Baseline",
            "2 to 20 pods for each version",
            id="at rest",
        ),
    ],
)
def test_which_pods_stay_whatever_autoscalers_think(
    status: dict[str, Any], capacity: str, words: str
) -> None:
    found = sights.changed(sights.autoscaled(), **status)
    found["spec"]["autoscaling"]["capacity"] = {"stableFloor": capacity}
    on = sheet(140)
    text = drawn(on, whole(sight(found), Family(), {}, NOW, on, wide=False))
    (shown,) = (one for one in text.splitlines() if one.startswith("Autoscaling"))
    assert shown.rstrip().endswith(words)


def test_nothing_has_happened() -> None:
    on = sheet(100)
    assert "No Events" in drawn(on, events_table([], NOW, on))
    none = sights.changed(sights.stable(), history=[])
    assert "No rollout has ended yet" in drawn(on, history(sight(none), {}, NOW, on))


@pytest.mark.parametrize("height", [20, 22, 24, 30, 40])
def test_a_frame_fits_the_terminal(height: int) -> None:
    """The crashing canary is what somebody looks for: the last thing to be left out."""
    on = sheet(80)
    on.console.height = height
    text = drawn(on, [_framed(on)])
    check_snapshot(f"screens/watch-80x{height}", text)
    assert len(text.rstrip("\n").split("\n")) <= height
    assert "demo/web   Progressing" in text
    assert "web-canary-5b9c-crash" in text


def test_news_go_before_explanations_and_pods_of_stable_before_both() -> None:
    def shown(height: int) -> tuple[bool, bool, bool]:
        on = sheet(80)
        on.console.height = height
        text = drawn(on, [_framed(on)])
        words = ("web-stable-6d7f-aaaaa", "10:41:30Z  Progressing", "latency: Prometheus")
        return (words[0] in text, words[1] in text, words[2] in text)

    found = [shown(height) for height in range(40, 19, -1)]
    assert sorted(found, reverse=True, key=lambda one: (one[2], one[1], one[0])) == found
    assert {(True, True, True), (False, True, True), (False, False, True)} <= {*found}
    assert found[-1] == (False, False, False)


def test_colours_in_a_pipe_change_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are wanted in the logs of CI jobs, whose TERM is `dumb`."""
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.delenv("NO_COLOR", raising=False)
    plain = drawn(sheet(terminal=False), _list(sheet(terminal=False)))
    for variable, look in (("CI", Look(color=True)), ("FORCE_COLOR", Look())):
        monkeypatch.setenv(variable, "1")
        on = open_sheet(look, Paper(terminal=False))
        assert not on.live
        assert not on.frames
        found = drawn(on, _list(on), raw=True)
        assert "\x1b[" in found
        lines = re.sub(r"\x1b\[[0-9;]*m", "", found).split("\n")
        assert [line.rstrip() for line in lines] == plain.split("\n")


@pytest.mark.parametrize(("name", "frames"), [("dumb", False), ("xterm", True)])
def test_a_terminal_that_cannot_move_the_cursor(
    name: str, frames: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", name)
    on = open_sheet(None, Paper())
    assert on.live
    assert on.frames is frames
    with presenter(on) as shown:
        assert isinstance(shown, Frame if frames else Lines)


INJECTED = "stopped\n::set-env name=PATH::/tmp\tx"


@pytest.mark.parametrize("screen", ["get", "watch", "list", "line", "events", "history"])
def test_words_of_the_cluster_begin_no_line(screen: str) -> None:
    found = sights.changed(sights.progressing(), message=INJECTED, canaryRevision=INJECTED)
    found["status"]["metrics"][1]["message"] = INJECTED
    found["status"]["history"][0]["message"] = INJECTED
    pod = sights.crashing("canary-5b9c", "crash")
    pod["status"]["containerStatuses"][0]["state"]["waiting"]["message"] = INJECTED
    sets = [sights.replica_set("canary", "v2", "5b9c", 2, 1)]
    family = family_of([sights.deployment("canary", "v2", 2, 1)], sets, [pod])
    on, one = sheet(terminal=False), sight(found)
    screens: dict[str, Callable[[], Iterable[RenderableType]]] = {
        "get": lambda: whole(one, family, {CANARY: INJECTED}, NOW, on, wide=True),
        "watch": lambda: [frame(one, family, (trail(), [News(NOW, one)]), NOW, on)],
        "list": lambda: rollouts_table([one], NOW, on, namespaces=True, wide=True),
        "line": lambda: [named_line(News(NOW, one), on), Text(INJECTED)],
        "events": lambda: events_table([{"message": INJECTED, "reason": INJECTED}], NOW, on),
        "history": lambda: history(one, {"65f99e1df3": INJECTED}, NOW, on),
    }
    text = drawn(on, screens[screen]())
    assert "stopped ::set-env name=PATH::/tmp x" in text
    assert not any(line.startswith("::") for line in text.split("\n"))
    assert "\t" not in text


class Latin(Paper):
    """A stream that knows few signs, as one with `PYTHONIOENCODING=latin-1`."""

    encoding = "latin-1"

    def write(self, text: str) -> int:
        text.encode(self.encoding)
        return super().write(text)


@pytest.mark.parametrize(("output", "read"), [("json", json.loads), ("yaml", yaml.safe_load)])
def test_data_on_an_output_that_knows_few_signs(
    output: str, read: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    content = {"message": "20 % ≥ 5 % …"}
    paper = Latin(terminal=False)
    monkeypatch.setattr(sys, "stdout", paper)
    click.echo(formatted(content, output))
    assert paper.getvalue().isascii()
    assert read(paper.getvalue()) == content


def test_data_with_ascii_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    @click.command()
    @look_options
    def command(look: Look) -> None:
        assert look.ascii
        click.echo(json_line(["…"]))

    monkeypatch.setattr(sys, "stdout", paper := Paper(terminal=False))
    command.main(["--ascii"], standalone_mode=False)
    assert paper.getvalue() == '["\\u2026"]\n'


def test_lines_of_json_on_an_output_that_knows_few_signs() -> None:
    on = open_sheet(None, paper := Latin(terminal=False))
    with presenter(on, "json") as shown:
        shown.show(sight(), Family(), NOW)
    assert "≥" in json.loads(paper.getvalue())["message"]
