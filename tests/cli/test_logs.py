"""Logs for people and for machines."""

import json
import logging
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from canary_operator.cli.logs import JsonFormatter, TextFormatter, set_up_logs

MILLISECONDS = 1_767_268_800.25
"""2026-01-01, noon."""


def record(**changes: Any) -> logging.LogRecord:
    found = logging.LogRecord(
        "canary_operator.engine", logging.WARNING, "x.py", 1, "Weight: %d %%", (20,), None
    )
    found.created = MILLISECONDS
    for name, value in changes.items():
        setattr(found, name, value)
    return found


def failure() -> Any:
    try:
        int("broken")
    except ValueError:
        return sys.exc_info()


def test_a_line_for_people() -> None:
    text = TextFormatter().format(record(rollout="demo/web"))
    assert text == "2026-01-01T12:00:00.250Z WARNING [demo/web] Weight: 20 %"


def test_a_line_about_no_rollout() -> None:
    assert TextFormatter().format(record()) == "2026-01-01T12:00:00.250Z WARNING Weight: 20 %"


def test_a_traceback_for_people_stands_below() -> None:
    first, *rest = TextFormatter().format(record(exc_info=failure())).splitlines()
    assert first.endswith("Weight: 20 %")
    assert rest[-1] == "ValueError: invalid literal for int() with base 10: 'broken'"


def test_a_line_for_machines() -> None:
    line = JsonFormatter().format(record(rollout="demo/web", reason="WeightChanged", other=1))
    assert json.loads(line) == {
        "time": "2026-01-01T12:00:00.250Z",
        "level": "warning",
        "logger": "canary_operator.engine",
        "message": "Weight: 20 %",
        "rollout": "demo/web",
        "reason": "WeightChanged",
    }


def test_a_traceback_for_machines_stays_in_the_line() -> None:
    line = JsonFormatter().format(record(exc_info=failure()))
    assert "\n" not in line
    assert json.loads(line)["exception"].endswith(
        "ValueError: invalid literal for int() with base 10: 'broken'"
    )


@pytest.fixture
def loggers() -> Iterator[None]:
    """Put the process' logging back as it was."""
    root = logging.getLogger()
    named = [logging.getLogger(name) for name in ("canary_operator", "kopf")]
    handlers, levels = root.handlers[:], [logger.level for logger in (root, *named)]
    yield
    root.handlers[:] = handlers
    for logger, level in zip((root, *named), levels, strict=True):
        logger.setLevel(level)


@pytest.mark.usefixtures("loggers")
@pytest.mark.parametrize(
    ("level", "ours", "kopf"),
    [
        ("debug", logging.DEBUG, logging.DEBUG),
        ("info", logging.INFO, logging.WARNING),
        ("error", logging.ERROR, logging.WARNING),
    ],
)
@pytest.mark.parametrize(("style", "form"), [("text", TextFormatter), ("json", JsonFormatter)])
def test_libraries_speak_less(
    level: str, ours: int, kopf: int, style: str, form: type[logging.Formatter]
) -> None:
    set_up_logs(level, style)
    assert logging.getLogger("canary_operator").level == ours
    assert logging.getLogger("kopf").level == kopf
    assert logging.getLogger("aiohttp").getEffectiveLevel() == logging.WARNING
    (handler,) = logging.getLogger().handlers
    assert isinstance(handler.formatter, form)
