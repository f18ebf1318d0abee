"""Options of `canary-operator run`, each also as an environment variable."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

PREFIX = "CANARY_OPERATOR_"
Command = TypeVar("Command", bound=Callable[..., Any])


def option(name: str, *more: str, **settings: Any) -> Callable[[Command], Command]:
    """Return a click option whose environment variable is `CANARY_OPERATOR_<NAME>`."""
    variable = PREFIX + name.removeprefix("--").partition("/")[0].replace("-", "_").upper()
    return click.option(name, *more, envvar=variable, show_envvar=True, **settings)


class Header(click.ParamType[Any]):
    """`NAME=VALUE`; in the environment variable one on each line, since values have blanks.

    Values may be secrets, so no message repeats one.
    """

    name = "name=value"

    def split_envvar_value(self, rv: str) -> Sequence[str]:
        """Return the headers of the environment variable."""
        return [line for line in rv.splitlines() if line.strip()]

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return name and value."""
        if not isinstance(value, str):
            return value
        name, equals, text = value.partition("=")
        if not equals or not name.strip():
            self.fail("a header must be NAME=VALUE; what was given is not shown", param, ctx)
        return name.strip(), text.strip()


class ListenAddress(click.ParamType[Any]):
    """`[HOST]:PORT`, or nothing to serve nothing."""

    name = "[host]:port"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return host and port; None for an empty value."""
        if not isinstance(value, str):
            return value
        if not value:
            return None
        host, colon, port = value.rpartition(":")
        if not colon or not port.isdecimal() or int(port) > 65535:  # noqa: PLR2004 - highest port
            self.fail(f"{value!r} is not [HOST]:PORT", param, ctx)
        return host.strip("[]"), int(port)


def custom_query_namespaces(values: str) -> tuple[str, ...] | None:
    """Read `--custom-queries`: None means all namespaces, an empty tuple none."""
    match values.strip():
        case "all":
            return None
        case "none":
            return ()
        case names:
            return tuple(name.strip() for name in names.split(",") if name.strip())


def sorted_unique(values: Sequence[str]) -> tuple[str, ...]:
    """Return each value once, in order."""
    return tuple(sorted(set(values)))
