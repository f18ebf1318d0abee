"""Plans as people see them: narrow and wide, Unicode and ASCII, and in pipes."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from canary_operator.plugin.offline.plan import Detection, Plan, Rung, plan_of
from canary_operator.plugin.offline.simulation.outcomes import Share, Spread
from canary_operator.plugin.offline.simulation.scenario import Scenario
from canary_operator.plugin.offline.simulation.setup import Setup
from canary_operator.plugin.screens.plan import plan_screen
from tests.support.paper import drawn, sheet
from tests.support.snapshots import check_snapshot

EXAMPLES = Path(__file__).parents[3] / "examples" / "helloworld"
SPEC: dict[str, Any] = yaml.safe_load(
    (EXAMPLES / "2-helloworld-v2.yaml").read_text(encoding="utf-8")
)["spec"]
QUERY = {"name": "carts", "query": {"promql": "sum(x)", "max": 0.1}}
PAPERS: dict[str, dict[str, Any]] = {
    "80": {"width": 80},
    "100": {"width": 100},
    "140": {"width": 140},
    "80-ascii": {"width": 80, "plain": True},
    "pipe": {"terminal": False},
}


def plan(**changes: Any) -> Plan:
    return plan_of(Setup(SPEC | changes, Scenario(), name="helloworld", namespace="demo"))


def detection(rps: float, healthy: Rung, *rungs: Rung) -> Detection:
    return Detection(Setup(SPEC, Scenario(rps=rps)), 100, 0, healthy, rungs)


BUSY = detection(
    100,
    Rung(0.0, Share(4, 100), Share(0, 100), Spread(97, 101), Spread(2, 2)),
    Rung(0.005, Share(7, 20), Share(0, 20), Spread(158, 248), Spread(12, 46)),
    Rung(0.01, Share(96, 100), Share(0, 100), Spread(157, 294), Spread(10, 61)),
    Rung(0.05, Share(60, 60), Share(0, 60), Spread(98, 155), Spread(5, 1203)),
)
QUIET = detection(
    30,
    Rung(0.0, Share(0, 100), Share(40, 100), None, None),
    Rung(0.05, Share(10, 20), Share(10, 20), Spread(235, 610), Spread(7, 7)),
    Rung(0.999, Share(0, 20), Share(20, 20), None, None, always_fails=True),
)
ALARMED = detection(
    100,
    Rung(0.0, Share(100, 100), Share(0, 100), Spread(97, 101), Spread(2, 2)),
    Rung(0.001, Share(60, 60), Share(0, 60), Spread(98, 155), Spread(5, 1203)),
)

PLANS: dict[str, Callable[[], Plan]] = {
    "times": plan,
    "busy": lambda: replace(plan(), detection=BUSY),
    "quiet": lambda: replace(plan(), detection=QUIET),
    "compared": lambda: replace(
        plan(
            replicas=1,
            paused=True,
            analysis={"interval": "20s", "comparison": {}, "metrics": [QUERY, {
                "name": "success-rate", "successRate": {}
            }]},
            strategy={"steps": [{"weight": 3, "approval": True}, {"weight": 50, "hold": "1h"}]},
        ),
        detection=QUIET,
    ),
    "alarmed": lambda: replace(
        plan(analysis=SPEC["analysis"] | {"metrics": [
            {"name": "latency", "latency": {"percentile": 99, "max": "50ms"}}
        ]}),
        detection=ALARMED,
    ),
    "queries": lambda: plan(analysis=SPEC["analysis"] | {"metrics": [QUERY]}),
}  # fmt: skip


@cache
def made(name: str) -> Plan:
    """Return a plan; one that compares takes seconds to make."""
    return PLANS[name]()


@pytest.mark.parametrize("paper", PAPERS)
@pytest.mark.parametrize("name", PLANS)
def test_a_plan(name: str, paper: str) -> None:
    on = sheet(**PAPERS[paper])
    check_snapshot(f"plan/{name}-{paper}", drawn(on, plan_screen(made(name), on)))


@pytest.mark.parametrize("width", [40, 80, 100, 140])
@pytest.mark.parametrize("name", PLANS)
def test_no_line_is_wider_than_the_terminal(name: str, width: int) -> None:
    on = sheet(width)
    text = drawn(on, plan_screen(made(name), on))
    assert max(len(line) for line in text.split("\n")) <= width


@pytest.mark.parametrize("width", [40, 80])
@pytest.mark.parametrize("name", PLANS)
def test_nothing_is_cut_off(name: str, width: int) -> None:
    """Not even at 40 columns; what has no room is left out as a whole column."""
    on = sheet(width)
    assert "…" not in drawn(on, plan_screen(made(name), on))


def test_ascii_is_ascii() -> None:
    on = sheet(100, plain=True)
    assert all(drawn(on, plan_screen(made(name), on)).isascii() for name in PLANS)
