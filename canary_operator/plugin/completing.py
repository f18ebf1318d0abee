"""`kubectl_complete-canary`: what kubectl runs when somebody presses Tab after `kubectl canary`.

kubectl calls it with the words so far and reads one candidate a line, then `:` and a directive of
the cobra library: https://kubernetes.io/docs/tasks/extend-kubectl/kubectl-plugins/
"""

import sys
from collections.abc import Sequence

import click
from click.shell_completion import CompletionItem, ShellComplete

from canary_operator.plugin.main import plugin

NO_FILES, FILES = 4, 0
"""Directives of cobra: whether the shell completes names of files, too."""


def candidates(words: Sequence[str]) -> tuple[list[CompletionItem], int]:
    """Return what may stand in the place of the last word, and the directive for the shell."""
    *before, beginning = [*words] or [""]
    shell = ShellComplete(plugin, {}, "kubectl canary", "_KUBECTL_CANARY_COMPLETE")
    found = shell.get_completions(before, beginning)
    names = [item for item in found if item.type == "plain"]
    return names, FILES if len(names) < len(found) else NO_FILES


def main(words: Sequence[str] | None = None) -> None:
    """Print the candidates for a command line."""
    found, directive = candidates(sys.argv[1:] if words is None else words)
    for item in found:
        click.echo(f"{item.value}\t{item.help}" if item.help else item.value)
    click.echo(f":{directive}")


if __name__ == "__main__":
    main()
