"""Logs for people and for machines."""

import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
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


FACTS = {
    "rollout": "demo/web",
    "reason": "RolledBack",
    "cause": "AnalysisFailed",
    "revision": "91ab77e04c",
    "phase": "RollingBack",
    "weight": 0,
}


def test_every_fact_is_a_field() -> None:
    line = json.loads(JsonFormatter().format(record(**FACTS)))
    assert {name: line.get(name) for name in FACTS} == FACTS


def reference(kind: str, name: str) -> dict[str, str]:
    return {"apiVersion": "v1", "kind": kind, "name": name, "namespace": "demo", "uid": "1"}


def test_a_record_of_kopf_names_its_rollout() -> None:
    about = record(k8s_ref=reference("CanaryRollout", "web"))
    assert json.loads(JsonFormatter().format(about))["rollout"] == "demo/web"
    assert "[demo/web]" in TextFormatter().format(about)


def test_a_record_of_kopf_names_another_object() -> None:
    line = json.loads(JsonFormatter().format(record(k8s_ref=reference("Pod", "web-1"))))
    assert line["object"] == "Pod demo/web-1"
    assert "rollout" not in line


@pytest.fixture
def loggers() -> Iterator[None]:
    """Put the process' logging back as it was."""
    root = logging.getLogger()
    named = [logging.getLogger(name) for name in ("canary_operator", "kopf")]
    handlers, levels = root.handlers[:], [logger.level for logger in (root, *named)]
    hooks = sys.excepthook, threading.excepthook, sys.unraisablehook
    yield
    sys.excepthook, threading.excepthook, sys.unraisablehook = hooks
    logging.captureWarnings(capture=False)
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


AWKWARD = """
import asyncio, logging, threading, warnings
from canary_operator.cli.logs import set_up_logs

class Broken:
    def __del__(self):
        raise RuntimeError("in a finalizer")

async def forgotten():
    raise RuntimeError("in a task")

async def loop():
    task = asyncio.create_task(forgotten())
    await asyncio.sleep(0)
    del task

set_up_logs("info", "json")
logging.getLogger("aiohttp.client").error("two\\nlines")
warnings.warn("an old way")
thread = threading.Thread(target=lambda: int("in a thread"), name="worker")
thread.start()
thread.join()
Broken()
asyncio.run(loop())
raise RuntimeError("at the end")
"""


def run(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, *arguments],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
    )


def test_whatever_a_process_says_is_json() -> None:
    ran = run("-c", AWKWARD)
    lines = [json.loads(line) for line in ran.stderr.splitlines()]
    assert [(line["logger"], line["level"]) for line in lines] == [
        ("aiohttp.client", "error"),
        ("py.warnings", "warning"),
        ("canary_operator", "error"),
        ("canary_operator", "error"),
        ("asyncio", "error"),
        ("canary_operator", "critical"),
    ]
    assert lines[0]["message"] == "two\nlines"
    assert "an old way" in lines[1]["message"]
    assert lines[2]["message"].startswith("Thread worker ended: invalid literal")
    for line, words in zip(lines[3:], ("in a finalizer", "in a task", "at the end"), strict=True):
        assert line["exception"].endswith(f"RuntimeError: {words}")
    assert ran.returncode == 1


START = ("-m", "canary_operator.cli.main", "run", "--prometheus-address=nonsense")


def test_why_the_operator_does_not_start_is_json(tmp_path: Path) -> None:
    ran = start(tmp_path, "json")
    (line,) = [json.loads(line) for line in ran.stderr.splitlines()]
    assert (line["level"], ran.returncode) == ("critical", 1)
    assert "'nonsense' is not a URL" in line["message"]


def test_why_the_operator_does_not_start_is_told_to_people(tmp_path: Path) -> None:
    assert start(tmp_path, "text").stderr.startswith("Error: The Prometheus address 'nonsense' is")


def start(folder: Path, style: str) -> "subprocess.CompletedProcess[str]":
    cluster = {"name": "c", "cluster": {"server": "http://127.0.0.1:9"}}
    context = {"name": "c", "context": {"cluster": "c", "user": "u"}}
    users = [{"name": "u", "user": {}}]
    kubeconfig = folder / "kubeconfig"
    kubeconfig.write_text(
        json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "c",
                "clusters": [cluster],
                "contexts": [context],
                "users": users,
            }
        )
    )
    return run(*START, f"--log-format={style}", KUBECONFIG=str(kubeconfig))
