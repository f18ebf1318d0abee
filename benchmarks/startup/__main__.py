"""`make bench-startup`: wall-clock time of whole processes, beside that of Python itself.

Rounds run every command once, one after the other, so that a busy moment of the machine hits all
alike. The limit is the one for `--help`: 300 ms.
"""

import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

LIMIT_MILLISECONDS = 300.0
ROUNDS = 20
PYTHON, HELP = "python -c pass", "kubectl canary --help"
EXAMPLE = "examples/helloworld/2-helloworld-v2.yaml"
PLUGIN = str(Path(sys.executable).with_name("kubectl-canary"))

COMMANDS: Mapping[str, Sequence[str]] = {
    PYTHON: [sys.executable, "-c", "pass"],
    HELP: [PLUGIN, "--help"],
    "kubectl canary watch --help": [PLUGIN, "watch", "--help"],
    "kubectl canary lint -f FILE": [PLUGIN, "lint", "-f", EXAMPLE],
    "import kubernetes.aio.client": [sys.executable, "-c", "import kubernetes.aio.client"],
}


def milliseconds(command: Sequence[str]) -> float:
    """Return how long a process took from its start to its end."""
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)  # noqa: S603 - fixed commands
    return (time.perf_counter() - began) * 1000


def measure(rounds: int) -> dict[str, list[float]]:
    """Return the times of every command, after one round that fills the caches."""
    found: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for number in range(rounds + 1):
        for name, command in COMMANDS.items():
            taken = milliseconds(command)
            if number:
                found[name].append(taken)
    return found


def table(found: Mapping[str, Sequence[float]]) -> str:
    """Return the times as a Markdown table."""
    base = statistics.median(found[PYTHON])
    lines = ["| process | median | slowest | times Python's own start |", "|---|---|---|---|"]
    for name, times in found.items():
        middle = statistics.median(times)
        lines.append(f"| `{name}` | {middle:.0f} ms | {max(times):.0f} ms | {middle / base:.1f} |")
    return "\n".join(lines)


@click.command()
@click.option("--rounds", type=click.IntRange(1), default=ROUNDS, show_default=True)
def main(rounds: int) -> None:
    """Measure, print a table, and fail if `--help` takes longer than its limit."""
    found = measure(rounds)
    click.echo(table(found))
    middle = statistics.median(found[HELP])
    if middle > LIMIT_MILLISECONDS:
        click.echo(f"{HELP} took {middle:.0f} ms, more than {LIMIT_MILLISECONDS:.0f}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
