"""The group of commands: its help, its exit codes, and how little it imports."""

import os
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from canary_operator.cli.main import main as operator_main
from canary_operator.plugin import main
from canary_operator.plugin.commands import completion
from canary_operator.plugin.completing import candidates
from canary_operator.plugin.exits import Exit, PluginError
from canary_operator.plugin.main import COMMANDS, DEBUG_VARIABLE, plugin, run
from canary_operator.plugin.options import cluster_options
from canary_operator.plugin.target import Target


@pytest.mark.parametrize("name", COMMANDS)
def test_the_table_of_commands_says_what_the_commands_say(name: str) -> None:
    command = plugin.get_command(click.Context(plugin), name)
    assert command is not None
    assert command.get_short_help_str(limit=200) == COMMANDS[name].help


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([name, "--help"]) == Exit.DONE
    said = capsys.readouterr().out
    assert said.startswith(f"Usage: kubectl canary {name} ")


def test_help_imports_neither_pydantic_nor_rich_nor_the_kubernetes_client() -> None:
    code = (
        "import sys; from canary_operator.plugin.main import run; run(['--help']); "
        "print(*sorted({name.partition('.')[0] for name in sys.modules}), file=sys.stderr)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "Usage: kubectl canary" in found.stdout
    heavy = {"aiohttp", "asyncio", "kopf", "kubernetes", "matplotlib", "pydantic", "rich", "yaml"}
    assert not heavy & set(found.stderr.split())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param(["nonsense"], "No such command 'nonsense'", id="unknown command"),
        pytest.param(["get"], "Missing argument 'NAME'", id="no name"),
        pytest.param(["get", "deployment/web"], "is no CanaryRollout", id="another kind"),
        pytest.param(["list", "-o", "xml"], "'xml' is not one of", id="unknown format"),
        pytest.param(["watch", "web", "--timeout", "soon"], "is not a duration", id="duration"),
    ],
)
def test_wrong_usage(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(arguments) == Exit.USAGE
    assert words in capsys.readouterr().err


class Broken(Exception):  # noqa: N818 - stands for any
    pass


def command_that(raises: BaseException) -> click.Command:
    @click.command("list")
    def broken() -> None:
        raise raises

    return broken


@pytest.mark.parametrize(
    ("raises", "code", "words"),
    [
        pytest.param(
            PluginError("No cluster", "Log in."), 3, "error: No cluster. Log in.", id="ours"
        ),
        pytest.param(KeyboardInterrupt(), 130, "Interrupted.", id="Ctrl-C"),
        pytest.param(Broken("x\ny"), 3, "error: Unexpected: Broken: x. Set", id="a bug"),
    ],
)
def test_how_a_command_ends(
    raises: BaseException,
    code: int,
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(plugin, "get_command", lambda *_: command_that(raises))
    monkeypatch.setattr(main.os, "dup2", lambda *_: None)
    assert run(["list"]) == code
    said = capfd.readouterr().err
    assert words in said
    assert "Traceback" not in said


@pytest.mark.parametrize("arguments", ["--help", "completion bash", "lint examples"])
def test_a_reader_that_went_away_is_no_outcome_of_a_rollout(arguments: str) -> None:
    """As with SIGPIPE: 141, and not a word."""
    reads, writes = os.pipe()
    os.close(reads)
    try:
        found = subprocess.run(
            [sys.executable, "-m", "canary_operator.plugin.main", *arguments.split()],
            stdout=writes,
            stderr=subprocess.PIPE,
            check=False,
        )
    finally:
        os.close(writes)
    assert (found.returncode, found.stderr) == (Exit.PIPE, b"")


def test_a_closed_output_is_no_bug() -> None:
    command = f"{sys.executable} -m canary_operator.plugin.main completion bash >&-"
    found = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert (found.returncode, found.stderr) == (0, "")


def test_a_pipe_that_breaks_while_a_command_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    reads, writes = os.pipe()
    os.close(reads)

    @click.command("list")
    def writing() -> None:
        with open(writes, "w") as closed:  # noqa: PTH123 - of a descriptor
            closed.write("x" * 100_000)

    monkeypatch.setattr(plugin, "get_command", lambda *_: writing)
    monkeypatch.setattr(main.os, "dup2", lambda *_: None)
    assert run(["list"]) == Exit.PIPE


def test_flags_before_the_command_count(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[object] = []

    @click.command("list")
    @cluster_options
    def looking(target: Target) -> None:
        seen.append((target.namespace, target.context))

    monkeypatch.setattr(plugin, "get_command", lambda *_: looking)
    assert run(["-n", "demo", "--context", "c", "list"]) == Exit.DONE
    assert run(["-n", "demo", "list", "-n", "shop"]) == Exit.DONE
    assert seen == [("demo", "c"), ("shop", None)]


def test_a_bug_shows_where_it_is_on_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugin, "get_command", lambda *_: command_that(Broken("x")))
    monkeypatch.setenv(DEBUG_VARIABLE, "1")
    with pytest.raises(Broken):
        run(["list"])


def test_the_operators_command_line_has_it_too() -> None:
    found = CliRunner().invoke(operator_main, ["plugin", "list", "--help"])
    assert found.exit_code == 0, found.output
    assert "Usage: canary-operator plugin list" in found.output
    assert CliRunner().invoke(operator_main, ["plugin", "nonsense"]).exit_code == Exit.USAGE


@pytest.mark.parametrize("shell", completion.SHELLS)
def test_a_script_for_each_shell(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["completion", shell]) == Exit.DONE
    script = capsys.readouterr().out
    assert "kubectl-canary" in script
    assert main.COMPLETE_VARIABLE in script


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        pytest.param(["wa"], ["watch"], id="a command"),
        pytest.param(["list", "--all"], ["--all-namespaces"], id="a flag"),
        pytest.param(["list", "-o", "j"], ["json"], id="a value"),
        pytest.param(["completion", ""], ["bash", "zsh", "fish"], id="choices"),
        pytest.param([""], [*COMMANDS], id="nothing yet"),
    ],
)
def test_what_kubectl_completes(words: list[str], expected: list[str]) -> None:
    found, directive = candidates(words)
    assert [item.value for item in found] == expected
    assert directive == 4


def test_a_name_of_a_file_is_completed_by_the_shell() -> None:
    found, directive = candidates(["list", "--kubeconfig", "k"])
    assert (found, directive) == ([], 0)


def test_names_without_a_cluster_are_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", "/nowhere/at/all")
    assert candidates(["get", "w"]) == ([], 4)
