"""How a command of the plugin ends: exit codes, and errors that people can act on."""

from enum import IntEnum
from typing import IO, Any

import click

from canary_operator.plugin.harmless import harmless


class Exit(IntEnum):
    """Exit code of the process; documented in `docs/kubectl-canary.md`."""

    DONE = 0
    """As asked: promoted, serving, accepted, clean."""
    FAILED = 1
    """The rollout was rolled back, the request was refused, the files have errors."""
    TIMEOUT = 2
    """What was waited for did not come in time."""
    IMPOSSIBLE = 3
    """It could not be tried: no cluster, no right, no such object."""
    UNDER_WAY = 4
    """`status`: the rollout is neither promoted nor rolled back yet."""
    USAGE = 64
    """The command line makes no sense (EX_USAGE of sysexits.h)."""
    INTERRUPTED = 130
    """Ctrl-C."""
    PIPE = 141
    """Who read the output went away, as with SIGPIPE."""


class PluginError(click.ClickException):
    """One line for a person: what is wrong and, where we know it, what to do about it."""

    def __init__(self, message: str, advice: str = "", code: Exit = Exit.IMPOSSIBLE) -> None:
        """Remember what to say.

        Args:
            message: What is wrong.
            advice: What to do, as a sentence of its own.
            code: How the process ends.
        """
        super().__init__(f"{message.rstrip('.')}. {advice}".strip() if advice else message)
        self.exit_code = code  # type: ignore[misc]  # click does so itself in `Exit`

    def show(self, file: IO[Any] | None = None) -> None:
        """Print it, on standard error unless told otherwise."""
        click.echo(f"error: {harmless(self.format_message())}", file=file, err=file is None)


class OutageError(PluginError):
    """The API server does not answer, or not as it should: tried again, it may."""


class UsageProblemError(PluginError):
    """Arguments that cannot be followed together, or that mean nothing."""

    def __init__(self, message: str, advice: str = "") -> None:
        super().__init__(message, advice, Exit.USAGE)
