"""The page about `kubectl canary` has every command, flag, exit code and rule, and real outputs."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from canary_operator.plugin.exits import Exit
from canary_operator.plugin.main import COMMANDS, plugin
from canary_operator.plugin.offline.lint.objects import OBJECT_RULES, TEMPLATE_RULE
from canary_operator.plugin.offline.lint.run import KUSTOMIZE, SPEC_RULES, TOGETHER_RULES
from canary_operator.plugin.offline.parsing import DUPLICATE, SYNTAX
from canary_operator.plugin.offline.simulation.scenario_file import read_file
from canary_operator.plugin.offline.sources import HELM_CHART

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "kubectl-canary.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")
CONSOLE = re.compile(r"^```console\n\$ (.*?)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
OFFLINE = re.compile(r"kubectl canary (lint|plan|simulate) ")
COMMON = {
    "--namespace",
    "--context",
    "--kubeconfig",
    "--as",
    "--as-group",
    "--request-timeout",
    "--output",
}
COMMON |= {"--ascii", "--color", "--help", "--filename", "--name", "--seed", "--runs", "--rps"}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_its_place(name: str) -> None:
    headings = " ".join(re.findall(r"^## (.*)$", PAGE, re.MULTILINE)).replace(",", "").split()
    assert name in headings


def options() -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the flags of each command with all their spellings."""
    for name in COMMANDS:
        command = plugin.get_command(click.Context(plugin), name)
        inner = command.commands.values() if isinstance(command, click.Group) else [command]
        for one in inner:
            assert one is not None
            for option in one.params:
                if isinstance(option, click.Option) and option.opts[-1] not in COMMON:
                    yield name, (*option.opts, *option.secondary_opts)


@pytest.mark.parametrize(("name", "flags"), sorted(set(options())))
def test_every_flag_is_mentioned(name: str, flags: tuple[str, ...]) -> None:
    del name
    assert any(f"`{flag}" in PAGE for flag in flags)


def test_exit_codes_are_those_of_the_program() -> None:
    table = PAGE.partition("## Exit codes")[2].partition("\n## ")[0]
    assert [int(code) for code in re.findall(r"^\| (\d+) \|", table, re.MULTILINE)] == [*Exit]


def rules() -> Iterator[str]:
    """Yield the row of each rule, from the docstring of its function."""
    for rule in (*OBJECT_RULES, TEMPLATE_RULE, *TOGETHER_RULES, *SPEC_RULES):
        why = " ".join((rule.find.__doc__ or "").partition("\n\n")[0].split())
        yield f"| `{rule.name}` | {rule.severity.value} | {why} |"


@pytest.mark.parametrize("row", [*rules()])
def test_every_rule_is_explained(row: str) -> None:
    assert f"\n{row}\n" in PAGE


def test_every_explained_rule_exists() -> None:
    texts = {SYNTAX, DUPLICATE, HELM_CHART, KUSTOMIZE, "no-rollout"}
    explained = set(re.findall(r"^\| `([a-z-]+)` \| (?:error|warning|info) \|", PAGE, re.MULTILINE))
    assert explained == texts | {row.split("`")[1] for row in rules()}


def shown() -> Iterator[tuple[str, str]]:
    """Yield every command of the pages that needs no cluster, with its output there."""
    for text in (PAGE, README):
        for command, output in CONSOLE.findall(text):
            if OFFLINE.search(command):
                yield command, output


@pytest.mark.parametrize(("command", "output"), [*shown()])
def test_outputs_are_those_of_the_commands(command: str, output: str) -> None:
    """Those that need no cluster are run; seeds and rules make them the same everywhere."""
    found = subprocess.run(
        ["bash", "-c", command.replace("kubectl canary", "kubectl-canary")],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONUTF8": "1",
        },
    )
    assert found.stdout + found.stderr == output


def test_the_scenario_file_is_one(tmp_path: Path) -> None:
    (text,) = re.findall(r"^```yaml\n(rps: .*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    file = tmp_path / "scenario.yaml"
    file.write_text(text, encoding="utf-8")
    assert len(read_file(file).scenario("file").events) == 3
