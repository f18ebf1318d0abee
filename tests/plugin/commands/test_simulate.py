"""`kubectl canary simulate` on the command line: what is read, what is printed, how it ends."""

import io
import json
import sys
from pathlib import Path

import click
import pytest
import yaml

from canary_operator.plugin.commands.simulate import simulate
from canary_operator.plugin.exits import Exit
from canary_operator.plugin.main import COMMANDS, run
from canary_operator.plugin.offline.simulation.runs import FEW_RUNS

EXAMPLES = Path(__file__).parents[3] / "examples" / "helloworld"
GOOD = str(EXAMPLES / "2-helloworld-v2.yaml")
FAULTY = str(EXAMPLES / "3-helloworld-v3-faulty.yaml")

Said = pytest.CaptureFixture[str]


def test_a_faulty_version_on_its_way(capsys: Said) -> None:
    assert run(["simulate", "-f", FAULTY, "--scenario", "errors=8%"]) == Exit.DONE
    out, err = capsys.readouterr()
    assert "demo/helloworld   simulated, canary 65f99e1df3, seed 0" in out
    assert out.count("✖ Fail") == 2
    assert "✖ Rolled back after 1:" in out
    assert "2 failed checks, more than the 1 that failureLimit tolerates." in out
    assert err == ""


def test_the_same_command_gives_the_same_bytes(capsys: Said) -> None:
    command = ["simulate", "-f", GOOD, "--scenario", "outage", "--seed", "7", "--rps", "50"]
    texts = []
    for _ in range(2):
        assert run(command) == Exit.DONE
        texts.append(capsys.readouterr().out)
    assert texts[0] == texts[1]
    run([*command, "--seed", "8"])
    assert capsys.readouterr().out != texts[0]


@pytest.mark.parametrize(
    ("scenario", "expect", "code"),
    [
        ("healthy", "promoted", Exit.DONE),
        ("healthy", "rolled-back", Exit.FAILED),
        ("errors=50%", "rolled-back", Exit.DONE),
        ("errors=50%", "promoted", Exit.FAILED),
        ("no-traffic", "rolled-back", Exit.DONE),
    ],
)
def test_what_was_expected_decides_how_it_ends(
    capsys: Said, scenario: str, expect: str, code: Exit
) -> None:
    arguments = ["simulate", "-f", GOOD, "--scenario", scenario, "--expect", expect]
    assert run(arguments) == code
    complaint = capsys.readouterr().err
    assert complaint.startswith(f"Expected {expect}, but found: ") == (code is Exit.FAILED)


def test_every_one_of_many_has_to_be_as_expected(capsys: Said) -> None:
    arguments = ["simulate", "-f", GOOD, "--runs", "20", "--expect", "promoted"]
    assert run([*arguments, "--base-error-rate", "0%"]) == Exit.DONE
    assert run([*arguments, "--base-error-rate", "1%"]) == Exit.FAILED
    assert "Expected promoted, but found in " in capsys.readouterr().err


def test_many_rollouts(capsys: Said) -> None:
    arguments = ["simulate", "-f", GOOD, "--runs", "30", "--seed", "5"]
    assert run(arguments) == Exit.DONE
    out, err = capsys.readouterr()
    assert "simulated 30 times, seeds 5 to 34" in out
    assert "promoted" in out
    assert err == "", "no progress where nobody looks"


def test_many_rollouts_in_several_processes_are_the_same(capsys: Said) -> None:
    arguments = ["simulate", "-f", GOOD, "-o", "json", "--scenario", "errors=2%", "--runs"]
    assert run([*arguments, str(FEW_RUNS + 10)]) == Exit.DONE
    many = json.loads(capsys.readouterr().out)
    assert sum(one["count"] for one in many["outcomes"]) == FEW_RUNS + 10
    seed = many["outcomes"][-1]["exampleSeed"]
    run(["simulate", "-f", GOOD, "-o", "json", "--scenario", "errors=2%", "--seed", str(seed)])
    one = json.loads(capsys.readouterr().out)
    assert one["end"]["outcome"] == many["outcomes"][-1]["outcome"]
    assert one["end"]["reason"] == many["outcomes"][-1]["reason"]


@pytest.mark.parametrize("output", ["json", "yaml"])
def test_output_for_programs(capsys: Said, output: str) -> None:
    arguments = ["simulate", "-f", FAULTY, "--scenario", "errors=8%", "-o", output]
    assert run(arguments) == Exit.DONE
    found = yaml.safe_load(capsys.readouterr().out)
    assert (found["namespace"], found["name"]) == ("demo", "helloworld")
    assert found["end"]["outcome"] == "rolled-back"
    assert found["weights"][1] == {"at": 5.0, "weight": 1}


def test_ascii_and_colours(capsys: Said) -> None:
    arguments = ["simulate", "-f", FAULTY, "--scenario", "errors=8%"]
    assert run([*arguments, "--ascii"]) == Exit.DONE
    assert capsys.readouterr().out.isascii()
    assert run([*arguments, "--color"]) == Exit.DONE
    assert "\x1b[" in capsys.readouterr().out


def test_standard_input(capsys: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.TextIOWrapper(io.BytesIO(Path(GOOD).read_bytes()))
    monkeypatch.setattr(sys, "stdin", stream)
    assert run(["simulate", "-f", "-", "--pod-start", "1m"]) == Exit.DONE
    assert " 1:00     1 %  Step 1 of 4" in capsys.readouterr().out


def test_a_scenario_file(capsys: Said, tmp_path: Path) -> None:
    file = tmp_path / "abort.yaml"
    file.write_text("events: [{at: step2, request: abort}]\nseed: 9\n", encoding="utf-8")
    assert run(["simulate", "-f", GOOD, "--scenario", str(file)]) == Exit.DONE
    out = capsys.readouterr().out
    assert "seed 9" in out
    assert "Scenario: a person aborts." in out
    assert "Aborted" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Missing option '-f'"),
        (["-f", GOOD, "--scenario", "errors=5"], "did you mean 5%?"),
        (["-f", GOOD, "--scenario", "nonsense"], "'nonsense' is unknown"),
        (["-f", GOOD, "--scenario", "none.yaml"], "none.yaml: No such file or directory"),
        (["-f", GOOD, "--pod-start", "1000000h"], "'1000000h' is too long, or has too many"),
        (["-f", GOOD, "-f", GOOD], "They have the same name: give each its own, or keep one."),
        (["-f", GOOD, "--rps", "x"], "--rps: 'x' is no number of requests a second"),
        (["-f", GOOD, "--runs", "0"], "Invalid value for '--runs'"),
        (["-f", GOOD, "--seed", "-1"], "Invalid value for '--seed'"),
        (["-f", GOOD, "--expect", "failed"], "Invalid value for '--expect'"),
        (["-f", str(EXAMPLES)], "There are several rollouts: demo/helloworld"),
        (["-f", GOOD, "--name", "web"], "There is no rollout web; there are: demo/helloworld"),
    ],
)
def test_arguments_that_make_no_sense(capsys: Said, arguments: list[str], message: str) -> None:
    assert run(["simulate", *arguments]) == Exit.USAGE
    out, err = capsys.readouterr()
    assert message in err
    assert out == ""


def test_several_rollouts_are_chosen_from_by_name(capsys: Said, tmp_path: Path) -> None:
    text = Path(GOOD).read_text(encoding="utf-8")
    file = tmp_path / "both.yaml"
    other = text.replace("name: helloworld\n  namespace: demo", "name: shop\n  namespace: prod")
    file.write_text(f"{text}---\n{other}", encoding="utf-8")
    assert run(["simulate", "-f", str(file)]) == Exit.USAGE
    assert "demo/helloworld" in (complaint := capsys.readouterr().err)
    assert "prod/shop" in complaint
    assert "Choose with --name." in complaint
    for name in ("shop", "prod/shop"):
        assert run(["simulate", "-f", str(file), "--name", name]) == Exit.DONE
        assert capsys.readouterr().out.startswith("prod/shop")


def test_what_is_wrong_with_a_spec_is_told_with_file_and_line(capsys: Said, tmp_path: Path) -> None:
    text = Path(GOOD).read_text(encoding="utf-8")
    file = tmp_path / "web.yaml"
    wrong = text.replace("weight: 10", "weight: 0").replace("minRequests", "minReqests")
    file.write_text(wrong, encoding="utf-8")
    assert run(["simulate", "-f", str(file)]) == Exit.FAILED
    lines = wrong.splitlines()
    weight = next(number for number, line in enumerate(lines, 1) if "weight: 0" in line)
    requests = next(number for number, line in enumerate(lines, 1) if "minReqests" in line)
    complaint = capsys.readouterr().err
    assert f"{file}:{weight}:8: spec.strategy.steps[1].weight is 0, but must be" in complaint
    assert f"{file}:{requests}:5: unknown field spec.analysis.minReqests" in complaint


def test_a_spec_that_the_operator_would_refuse(capsys: Said) -> None:
    arguments = ["simulate", "-f", GOOD, "--prometheus-scrape-interval", "1m"]
    assert run(arguments) == Exit.FAILED
    assert "spec.analysis.interval is 30s, but must not be shorter" in capsys.readouterr().err


def test_progress_is_shown_to_somebody_who_looks(
    capsys: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert run(["simulate", "-f", GOOD, "--runs", "3", "-o", "json"]) == Exit.DONE
    out, err = capsys.readouterr()
    assert json.loads(out)["runs"] == 3
    assert "rollouts" in err
    assert run(["simulate", "-f", GOOD, "--runs", "3", "--ascii", "--no-color"]) == Exit.DONE
    err = capsys.readouterr().err
    assert err.isascii()
    assert "\x1b[3" not in err


def test_the_list_of_commands_says_the_same() -> None:
    assert simulate.get_short_help_str(100) == COMMANDS["simulate"].help
    documented = {name for one in simulate.params for name in one.opts}
    assert {"--scenario", "--rps", "--runs", "--expect", "--filename"} <= documented
    assert all(one.help for one in simulate.params if isinstance(one, click.Option))
