"""What lint prints."""

import re

import pytest

from canary_operator.plugin.console import Sheet
from canary_operator.plugin.offline.lint.findings import Finding, Report, Severity
from canary_operator.plugin.screens.findings import report_lines
from tests.support.paper import drawn, sheet
from tests.support.snapshots import check_snapshot

FINDINGS = (
    Finding(
        Severity.ERROR,
        "invalid-value",
        "rollout.yaml",
        23,
        7,
        "spec.strategy.steps[1].weight is 3, but weights of steps must never decrease.",
    ),
    Finding(
        Severity.WARNING,
        "few-requests-decide",
        "deploy/production/rollout.yaml",
        37,
        5,
        "minRequests is 20, and successRate.min: 99 tolerates 1 %: where a check sees no more, one "
        "failed request fails it, and 2 such checks roll back.",
        "minRequests: 100 bears one; that takes 167 requests/s to the service at the first weight, "
        "1 %; or ask for analysis.comparison.",
    ),
    Finding(
        Severity.INFO,
        "paused",
        "stdin",
        9,
        3,
        "spec.paused is true → “für immer”.",
        "",
        "web/a.yaml",
    ),
)
REPORT = Report(FINDINGS, 2)


@pytest.mark.parametrize(
    ("name", "on"),
    [
        ("lint-140", sheet(140)),
        ("lint-80", sheet(80)),
        ("lint-80-ascii", sheet(80, plain=True)),
        ("lint-20", sheet(20)),
        ("lint-pipe", sheet(terminal=False)),
    ],
)
def test_findings_look_as_they_did(name: str, on: Sheet) -> None:
    check_snapshot(f"screens/{name}", drawn(on, report_lines(REPORT, on)))


def test_colours_tell_how_much_it_matters() -> None:
    on = sheet(140, color=True)
    text = drawn(on, report_lines(REPORT, on), raw=True)
    for word in ("error", "warning", "info"):
        assert re.search(rf"\x1b\[[\d;]+m{word}\x1b", text)


def test_lines_of_a_terminal_are_no_longer_than_it() -> None:
    for width in range(40, 140):
        on = sheet(width)
        lines = drawn(on, report_lines(REPORT, on)).splitlines()
        assert max(map(len, lines)) <= width
        words = " ".join(" ".join(lines).split())
        assert FINDINGS[1].sentence in words
        assert FINDINGS[1].fix in words


@pytest.mark.parametrize(
    ("report", "summary"),
    [
        pytest.param(Report((), 1), "1 CanaryRollout: nothing to complain about.", id="nothing"),
        pytest.param(
            Report(FINDINGS[2:], 3), "3 CanaryRollouts: nothing to complain about.", id="only news"
        ),
        pytest.param(Report(FINDINGS, 2), "1 error, 1 warning in 2 CanaryRollouts.", id="both"),
        pytest.param(Report(FINDINGS[:1] * 2, 1), "2 errors in 1 CanaryRollout.", id="errors"),
    ],
)
def test_the_last_line_counts(report: Report, summary: str) -> None:
    assert report_lines(report, sheet())[-1].plain == summary
