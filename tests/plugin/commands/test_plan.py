"""`kubectl canary plan` on the command line: what is read, what is printed, how it ends."""

import json
import sys
from pathlib import Path

import click
import pytest
import yaml

from canary_operator.plugin.commands.plan import plan
from canary_operator.plugin.exits import Exit
from canary_operator.plugin.main import COMMANDS, run

EXAMPLES = Path(__file__).parents[3] / "examples" / "helloworld"
GOOD = str(EXAMPLES / "2-helloworld-v2.yaml")
ASKED = ["plan", "-f", GOOD, "--rps", "100", "--runs", "20"]

Said = pytest.CaptureFixture[str]


def test_a_timetable_says_what_else_can_be_asked(capsys: Said) -> None:
    assert run(["plan", "-f", GOOD]) == Exit.DONE
    out, err = capsys.readouterr()
    assert "promotion     50 %   4:00" in out
    assert "to see what the analysis can find: --rps N" in out
    assert err == ""


def test_what_the_analysis_finds(capsys: Said) -> None:
    assert run(ASKED) == Exit.DONE
    first = capsys.readouterr().out
    assert "What the analysis finds, with 100 requests/s, 0.1 % of which fail" in first
    assert "20 rollouts each at most" in first
    assert "A version that fails " in first
    assert run(ASKED) == Exit.DONE
    assert capsys.readouterr().out == first


@pytest.mark.parametrize("output", ["json", "yaml"])
def test_output_for_programs(capsys: Said, output: str) -> None:
    assert run([*ASKED, "-o", output]) == Exit.DONE
    found = yaml.safe_load(capsys.readouterr().out)
    assert [one["weight"] for one in found["steps"]] == [1, 10, 25, 50]
    assert found["detection"]["requestsPerSecond"] == 100
    assert found["detection"]["baseErrorRate"] == 0.001
    assert found["detection"]["smallest"] in {0.005, 0.01, 0.02}


def test_a_picture_beside_the_text(capsys: Said, tmp_path: Path) -> None:
    file = tmp_path / "plan.svg"
    assert run(["plan", "-f", GOOD, "--plot", str(file), "-o", "json"]) == Exit.DONE
    out, err = capsys.readouterr()
    assert json.loads(out)["name"] == "helloworld"
    assert err == f"{file} was written.\n"
    assert file.read_text(encoding="utf-8").startswith("<?xml")


def test_a_picture_that_cannot_be_drawn_is_refused_before_anything_is_played(
    capsys: Said, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run([*ASKED, "--plot", str(tmp_path / "plan.pdf")]) == Exit.USAGE
    assert "a picture ends in .svg or .png" in capsys.readouterr().err
    assert run([*ASKED, "--plot", str(tmp_path / "nowhere" / "plan.svg")]) == Exit.IMPOSSIBLE
    assert "cannot be written: No such file or directory" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert run([*ASKED, "--plot", str(tmp_path / "plan.png")]) == Exit.IMPOSSIBLE
    assert "pip install 'canary-operator[playground]'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["-f", GOOD, "--base-error-rate", "5"], Exit.USAGE, "--base-error-rate: '5' is no share"),
        (
            ["-f", GOOD, "--rps", "9", "--base-error-rate", "100%"],
            Exit.USAGE,
            "no version can be worse",
        ),
        (["-f", GOOD, "--runs", "5"], Exit.USAGE, "Invalid value for '--runs'"),
        (["-f", "none.yaml"], Exit.IMPOSSIBLE, "none.yaml cannot be read"),
    ],
)
def test_arguments_that_make_no_sense(
    capsys: Said, arguments: list[str], code: Exit, message: str
) -> None:
    assert run(["plan", *arguments]) == code
    assert message in capsys.readouterr().err


def test_custom_queries_alone_can_be_planned_and_not_measured(capsys: Said, tmp_path: Path) -> None:
    manifest = yaml.safe_load(Path(GOOD).read_text(encoding="utf-8"))
    query = {"name": "carts", "query": {"promql": "sum(x)", "max": 0.1}}
    manifest["spec"]["analysis"] = {"metrics": [query]}
    file = tmp_path / "web.json"
    file.write_text(json.dumps(manifest), encoding="utf-8")
    assert run(["plan", "-f", str(file), "--rps", "100"]) == Exit.DONE
    assert "custom queries alone, which nobody can know" in capsys.readouterr().out


def test_the_list_of_commands_says_the_same() -> None:
    assert plan.get_short_help_str(100) == COMMANDS["plan"].help
    assert all(one.help for one in plan.params if isinstance(one, click.Option))
