"""Logs for people (`text`) or for machines (`json`), on standard error; libraries' records, too.

Whatever the process says goes through here: also warnings of Python, and errors that nothing
caught.
"""

import json
import logging
import sys
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import IO, Any

import click

logger = logging.getLogger("canary_operator")

OWN_FIELDS = ("rollout", "rollouts", "reason", "cause", "revision", "phase", "weight")
"""Facts that a record may carry beside its message; docs/monitoring.md says what they mean."""


class JsonFormatter(logging.Formatter):
    """One JSON object per line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return time, level, logger, message and the facts of our own records."""
        line: dict[str, object] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= _facts(record)
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        if record.stack_info:
            line["stack"] = self.formatStack(record.stack_info)
        return json.dumps(line, ensure_ascii=False, default=str)


class TextFormatter(logging.Formatter):
    """Time, level, rollout and message."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one line, and a traceback below it where there is one."""
        rollout = _facts(record).get("rollout")
        where = f"[{rollout}] " if rollout else ""
        text = f"{_time(record)} {record.levelname:7} {where}{record.getMessage()}"
        return f"{text}\n{self.formatException(record.exc_info)}" if record.exc_info else text


def _facts(record: logging.LogRecord) -> dict[str, Any]:
    facts = {name: getattr(record, name) for name in OWN_FIELDS if hasattr(record, name)}
    return {**_object(getattr(record, "k8s_ref", None)), **facts}


def _object(reference: Mapping[str, str] | None) -> dict[str, str]:
    """Return what a record of kopf is about."""
    if not reference:
        return {}
    where = "/".join(filter(None, (reference.get("namespace"), reference.get("name"))))
    kind = reference.get("kind", "")
    return {"rollout": where} if kind == "CanaryRollout" else {"object": f"{kind} {where}".strip()}


def _time(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC).replace(tzinfo=None)
    return moment.isoformat(timespec="milliseconds") + "Z"


class StartError(click.ClickException):
    """The operator cannot start; told in the form that was asked for."""

    def show(self, file: IO[Any] | None = None) -> None:
        """Tell people as click does, and machines in a line of the log."""
        if any(isinstance(each.formatter, JsonFormatter) for each in logging.getLogger().handlers):
            logger.critical("The operator cannot start: %s", self.message)
        else:
            super().show(file)


def set_up_logs(level: str, style: str) -> None:
    """Send everything to standard error; the libraries speak from warnings on."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter() if style == "json" else TextFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("canary_operator").setLevel(level.upper())
    # kopf says at "info" how its parts start and stop, which nobody has to know.
    logging.getLogger("kopf").setLevel(logging.DEBUG if level == "debug" else logging.WARNING)
    logging.captureWarnings(capture=True)
    sys.excepthook = _uncaught
    threading.excepthook = _uncaught_in_thread
    sys.unraisablehook = _unraisable


def _uncaught(
    kind: type[BaseException], error: BaseException, traceback: TracebackType | None
) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, traceback)
        return
    logger.critical("The operator ends: %s", error, exc_info=(kind, error, traceback))


def _uncaught_in_thread(found: threading.ExceptHookArgs) -> None:
    error = found.exc_value or found.exc_type()
    name = found.thread.name if found.thread else "?"
    logger.error("Thread %s ended: %s", name, error, exc_info=error)


def _unraisable(found: Any) -> None:
    what = found.err_msg or "Error that could not be raised"
    logger.error("%s: %r", what, found.object, exc_info=found.exc_value)
