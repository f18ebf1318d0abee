"""`kubectl canary`: the group of commands.

Nothing but click is imported here: `--help` has to answer at once, and each command imports what
it needs when it runs.
"""

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from canary_operator.plugin.exits import Exit, PluginError

DEBUG_VARIABLE = "KUBECTL_CANARY_DEBUG"
COMPLETE_VARIABLE = "_KUBECTL_CANARY_COMPLETE"


@dataclass(frozen=True, slots=True)
class Entry:
    """A command that is not imported yet."""

    where: str
    """`module:attribute`, below `canary_operator.plugin.commands`."""
    help: str


SECTIONS: Mapping[str, Mapping[str, Entry]] = {
    "See": {
        "list": Entry("list:list_", "Show rollouts, one line each"),
        "get": Entry("get:get", "Show a rollout with its Deployments, pods, steps and metrics"),
        "watch": Entry("watch:watch", "Follow a rollout until it ends"),
        "status": Entry("status:status", "Say in one line, and by exit code, how a rollout is"),
        "events": Entry("events:events", "Show what happened and why, newest first"),
        "history": Entry("history:history", "Show finished rollouts, newest first"),
    },
    "Steer": {
        "promote": Entry("requests:promote", "Skip the remaining holds and checks"),
        "resume": Entry("requests:resume", "Go on after a pause, or approve a step"),
        "approve": Entry("requests:approve", "The same as resume"),
        "pause": Entry("requests:pause", "Hold the weight where it is; checks go on"),
        "abort": Entry("requests:abort", "Take all traffic back to stable"),
        "retry": Entry("requests:retry", "Try a revision again that was rolled back"),
        "set": Entry("set:set_", "Set the image of a container, which starts a rollout"),
        "undo": Entry("undo:undo", "Go back to an earlier template"),
    },
    "Plan, without a cluster": {
        "lint": Entry("lint:lint", "Find what is wrong or unwise in manifests"),
        "plan": Entry("plan:plan", "Show when what will happen, and what the analysis can find"),
        "simulate": Entry("simulate:simulate", "Play a rollout with the operator's own rules"),
    },
    "Begin": {
        "adopt": Entry("adopt:adopt", "Print a CanaryRollout for a Deployment that runs now"),
        "completion": Entry("completion:completion", "Print a script for your shell's completion"),
    },
}

COMMANDS: Mapping[str, Entry] = {
    name: entry for section in SECTIONS.values() for name, entry in section.items()
}


class LazyGroup(click.Group):
    """Imports a command when it is run, and none of them for `--help`."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the names of all commands."""
        return [*COMMANDS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Return a command; None where there is none of that name."""
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        module, _, attribute = entry.where.partition(":")
        found = import_module(f"canary_operator.plugin.commands.{module}")
        command: click.Command = getattr(found, attribute)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; a reader that went away ends it in silence, as SIGPIPE does."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            return Exit.PIPE

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the commands, by what they are for."""
        for title, entries in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(name, entry.help) for name, entry in entries.items()])


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option("-n", "--namespace", metavar="NS", hidden=True)
@click.option("--context", metavar="NAME", hidden=True)
@click.option("--kubeconfig", type=click.Path(path_type=Path, dir_okay=False), hidden=True)
@click.version_option(package_name="canary-operator")
@click.pass_context
def plugin(ctx: click.Context, /, **common: Any) -> None:
    """See, steer and plan canary rollouts."""
    given = {name: value for name, value in common.items() if value is not None}
    # What kubectl users write before the command holds for the command, and for those below it.
    ctx.default_map = {name: {**given, "image": given} for name in COMMANDS}


def run(arguments: Sequence[str] | None = None, name: str = "kubectl canary") -> int:
    """Run one command line and return the exit code.

    Args:
        arguments: Without the program's name; those of the process when left out.
        name: Of the program, as its user wrote it.
    """
    if sys.stdout is None:  # closed by the shell: `>&-`
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - for good
    try:
        return _run(arguments, name)
    except click.UsageError as error:
        error.show()
        return Exit.USAGE
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        click.echo("Interrupted.", err=True)
        return Exit.INTERRUPTED
    except Exception as error:
        if os.environ.get(DEBUG_VARIABLE):
            raise
        return _unexpected(error)


def _run(arguments: Sequence[str] | None, name: str) -> int:
    try:
        code = plugin.main(
            arguments, prog_name=name, complete_var=COMPLETE_VARIABLE, standalone_mode=False
        )
        sys.stdout.flush()
    except BrokenPipeError:
        code = Exit.PIPE
    except SystemExit:
        if COMPLETE_VARIABLE in os.environ:
            raise
        code = Exit.PIPE  # for nothing else click ends the process itself in this mode
    if code == Exit.PIPE:
        # What is still buffered goes nowhere, or Python would complain when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return int(code or Exit.DONE)


def _unexpected(error: Exception) -> int:
    words = f"{type(error).__name__}: {error}".splitlines()[0]
    PluginError(f"Unexpected: {words}", f"Set {DEBUG_VARIABLE}=1 to see where.").show()
    return Exit.IMPOSSIBLE


def main(arguments: Sequence[str] | None = None, **settings: Any) -> None:
    """Run as a console script."""
    sys.exit(run(arguments, **settings))


if __name__ == "__main__":
    main()
