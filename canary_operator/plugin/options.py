"""Options that commands share, named as kubectl names them."""

import re
from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click

from canary_operator.parameters import Duration
from canary_operator.plugin.target import Target

Command = TypeVar("Command", bound=Callable[..., Any])

FORMATS = ("wide", "json", "yaml", "name")

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_LONGEST_LABEL, _LONGEST_NAME = 63, 253


class Wait(Duration):
    """A duration, or, as kubectl takes it, whole seconds without a unit."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return a timedelta, or fail with an example."""
        bare = isinstance(value, str) and value.isascii() and value.isdecimal()
        return super().convert(f"{value}s" if bare else value, param, ctx)


def _namespace(ctx: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    del ctx
    if value and not (_LABEL.fullmatch(value) and len(value) <= _LONGEST_LABEL):
        raise click.BadParameter(
            f"{value!r} is no name of a namespace: those are up to 63 of a-z, 0-9 and -",
            param=parameter,
        )
    return value


def cluster_options(command: Command) -> Command:
    """Give a command the parameter `target`, a `Target`."""

    @wraps(command)
    def with_target(  # noqa: PLR0913 - one for each option
        *arguments: Any,
        namespace: str | None,
        context: str | None,
        kubeconfig: Path | None,
        as_user: str | None,
        as_groups: tuple[str, ...],
        request_timeout: timedelta,
        **others: Any,
    ) -> Any:
        if as_groups and not as_user:
            raise click.UsageError("--as-group needs --as: a group has no requests of its own.")
        target = Target(kubeconfig, context, namespace, as_user, request_timeout, as_groups)
        return command(*arguments, target=target, **others)

    found: Any = with_target
    for option in reversed(_CLUSTER_OPTIONS):
        found = option(found)
    return found  # type: ignore[no-any-return]


def look_options(command: Command) -> Command:
    """Give a command the parameter `look`, a `Look`."""

    @click.option("--ascii", is_flag=True, default=None, help="Use no sign beyond ASCII.")
    @click.option(
        "--color/--no-color", default=None, help="Use colours.  [on a terminal, without NO_COLOR]"
    )
    @wraps(command)
    def with_look(*arguments: Any, ascii: bool | None, color: bool | None, **others: Any) -> Any:  # noqa: A002 - the flag's name
        from canary_operator.plugin.console import Look

        return command(*arguments, look=Look(ascii, color), **others)

    return with_look  # type: ignore[return-value]


def output_option(*formats: str) -> Callable[[Command], Command]:
    """Give a command the parameter `output`: one of `formats`, or None for people."""
    return click.option(
        "-o",
        "--output",
        type=click.Choice(formats or FORMATS),
        help="Form of the output.  [a text for people]",
    )


def rollout_argument(command: Command) -> Command:
    """Give a command the parameter `name`: a CanaryRollout; `cro/web` is read as `web`."""
    return click.argument(
        "name", metavar="NAME", callback=_bare_name, shell_complete=_names("rollouts")
    )(command)


def _bare_name(ctx: click.Context, parameter: click.Parameter, value: str) -> str:
    del ctx
    kind, slash, name = value.rpartition("/")
    kinds = {"cro", "canaryrollout", "canaryrollouts", "canaryrollouts.canary-operator.dev"}
    if slash and kind.lower() not in kinds | {"canaryrollout.canary-operator.dev"}:
        raise click.BadParameter(f"{value!r} is no CanaryRollout", param=parameter)
    if len(name) > _LONGEST_NAME or not all(map(_LABEL.fullmatch, name.split("."))):
        raise click.BadParameter(
            f"{value!r} is no name: names are lower-case letters, digits, '-' and '.'",
            param=parameter,
        )
    return name


def _names(kind: str) -> Callable[[click.Context, click.Parameter, str], list[Any]]:
    """Return what completes names from the cluster or the kubeconfig."""

    def complete(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[Any]:
        del parameter
        from canary_operator.plugin.live.names import complete_names

        return complete_names(kind, ctx.params, incomplete)

    return complete


_CLUSTER_OPTIONS: tuple[Callable[[Any], Any], ...] = (
    click.option(
        "-n",
        "--namespace",
        metavar="NS",
        callback=_namespace,
        help="Namespace.  [that of the context]",
        shell_complete=_names("namespaces"),
    ),
    click.option(
        "--context",
        metavar="NAME",
        help="Context of the kubeconfig.  [the current one]",
        shell_complete=_names("contexts"),
    ),
    click.option(
        "--kubeconfig",
        type=click.Path(path_type=Path, dir_okay=False),
        help="File that says which cluster.  [KUBECONFIG, ~/.kube/config]",
    ),
    click.option("--as", "as_user", metavar="USER", help="User to act as."),
    click.option(
        "--as-group",
        "as_groups",
        metavar="GROUP",
        multiple=True,
        help="Group to act as a member of, with --as; may be repeated.",
    ),
    click.option(
        "--request-timeout",
        type=Wait(),
        default="10s",
        show_default=True,
        help="Longest wait for an answer of the API server.",
    ),
)
