"""Kinds of values on a command line, of the operator and of the plugin."""

import re
from typing import Any

import click

_DURATION = re.compile(r"^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$")


class Duration(click.ParamType[Any]):
    """A Go-style duration such as `1m30s`."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return a timedelta, or fail with an example."""
        if not isinstance(value, str):
            return value
        if not _DURATION.match(value):
            self.fail(f"{value!r} is not a duration; write for example 5s or 1m30s", param, ctx)
        from canary_operator.domain.durations import parse_duration

        try:
            return parse_duration(value)
        except ValueError:
            self.fail(f"{value!r} is too long, or has too many digits", param, ctx)


class HostPattern(click.ParamType[Any]):
    """`[NAMESPACE/]HOST` of `--allowed-host`."""

    name = "[namespace/]host"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the pattern as it is, or fail with what one looks like."""
        from canary_operator.domain.hosts import check_pattern

        try:
            check_pattern(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)
        return value
