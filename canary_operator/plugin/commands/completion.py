"""`completion`: what a shell needs to complete commands, flags and names."""

import click

PROGRAM = "kubectl-canary"
VARIABLE = "_KUBECTL_CANARY_COMPLETE"
"""Environment variable by which the script asks; `main.py` listens to it."""
SHELLS = ("bash", "zsh", "fish")


@click.command("completion", short_help="Print a script for your shell's completion")
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print a script that completes `kubectl-canary` in a shell.

    \b
    bash:  source <(kubectl canary completion bash)
    zsh:   source <(kubectl canary completion zsh)
    fish:  kubectl canary completion fish | source

    For `kubectl canary` (with a blank) nothing has to be loaded: kubectl 1.26 or newer, with its
    own completion on, asks the program kubectl_complete-canary, which is installed beside this.
    """  # noqa: D301 - click reads the \b
    from click.shell_completion import get_completion_class

    found = get_completion_class(shell)
    if found is None:
        raise click.UsageError(f"no completion for {shell}")
    click.echo(found(ctx.find_root().command, {}, PROGRAM, VARIABLE).source())
