"""`kubectl canary lint` on the command line: what is read, what is printed, how it ends."""

import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest
import yaml

from canary_operator.plugin.commands.lint import lint
from canary_operator.plugin.exits import Exit
from canary_operator.plugin.main import COMMANDS, run

CLEAN = """\
apiVersion: canary-operator.dev/v1alpha1
kind: CanaryRollout
metadata: {name: web, namespace: demo}
spec:
  replicas: 2
  template:
    spec:
      containers:
      - name: app
        image: web:1.4.2
        readinessProbe: {tcpSocket: {port: 8080}}
  service: {port: 80, targetPort: 8080}
  analysis: {minRequests: 100, interval: 2m}
"""
UNWISE = CLEAN.replace("replicas: 2", "replicas: 1")
WRONG = CLEAN.replace("port: 80,", "port: 0,")
HOST = CLEAN + "  traffic: {istio: {hosts: [shop.example.com]}}\n"

Manifest = Callable[[str], str]


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    def write(text: str) -> str:
        file = tmp_path / "web.yaml"
        file.write_text(text, encoding="utf-8")
        return str(file)

    return write


@pytest.mark.parametrize(
    ("text", "flags", "code"),
    [
        pytest.param(CLEAN, [], Exit.DONE, id="clean"),
        pytest.param(UNWISE, [], Exit.DONE, id="only warnings"),
        pytest.param(UNWISE, ["--strict"], Exit.FAILED, id="warnings that count"),
        pytest.param(CLEAN, ["--strict"], Exit.DONE, id="clean for the strict"),
        pytest.param(HOST, ["--strict"], Exit.DONE, id="only something to know"),
        pytest.param(WRONG, [], Exit.FAILED, id="an error"),
        pytest.param(HOST, ["--allowed-host", "*.example.com"], Exit.DONE, id="an allowed host"),
        pytest.param(
            HOST,
            ["--allowed-host", "a/*.example.com"],
            Exit.FAILED,
            id="a host that is not allowed",
        ),
        pytest.param(
            CLEAN,
            ["--strict", "--prometheus-scrape-interval", "3m"],
            Exit.FAILED,
            id="slow scrapes",
        ),
    ],
)
def test_the_exit_code_says_how_it_is(
    manifest: Manifest, text: str, flags: list[str], code: Exit
) -> None:
    assert run(["lint", "-f", manifest(text), *flags]) == code


def test_every_finding_is_a_line_with_its_place(
    manifest: Manifest, capsys: pytest.CaptureFixture[str]
) -> None:
    file = manifest(WRONG)
    run(["lint", file])
    first, last = capsys.readouterr().out.splitlines()
    assert first == (
        f"{file}:12:13: error: spec.service.port is 0, but must be a whole number from 1 to 65535. "
        "[invalid-value]"
    )
    assert last == "1 error in 1 CanaryRollout."


def test_ascii_is_for_old_terminals(manifest: Manifest, capsys: pytest.CaptureFixture[str]) -> None:
    run(["lint", manifest(UNWISE), "--ascii"])
    assert "    -> replicas: 2 or more" in capsys.readouterr().out


@pytest.mark.parametrize(("output", "load"), [("json", json.loads), ("yaml", yaml.safe_load)])
def test_programs_get_a_list(
    manifest: Manifest,
    capsys: pytest.CaptureFixture[str],
    output: str,
    load: Callable[[str], object],
) -> None:
    file = manifest(UNWISE)
    run(["lint", file, "-o", output])
    assert load(capsys.readouterr().out) == [
        {
            "severity": "warning",
            "rule": "few-replicas",
            "file": file,
            "line": 5,
            "column": 3,
            "message": "spec.replicas is 1: stable has a single pod, and so has the canary at "
            "every weight up to 50 %. When that one restarts, the canary's weight falls to 0 % "
            "until it is back; when stable's does, callers get errors.",
            "fix": "replicas: 2 or more; from 3 on the canary has two pods at 50 %.",
            "source": None,
        }
    ]


def test_where_all_is_well_programs_get_an_empty_list(
    manifest: Manifest, capsys: pytest.CaptureFixture[str]
) -> None:
    run(["lint", manifest(CLEAN), "-o", "json"])
    assert json.loads(capsys.readouterr().out) == []


def test_files_may_be_named_in_both_ways(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "web.yaml").write_text(CLEAN, encoding="utf-8")
    a, b, c = (str(tmp_path / name) for name in ("a", "b", "c"))
    assert run(["lint", "-f", a, c, "--filename", b]) == Exit.DONE
    assert capsys.readouterr().out == "3 CanaryRollouts: nothing to complain about.\n"


def test_a_pipe_is_read(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = f"---\n# Source: shop/templates/web.yaml\n{UNWISE}"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    assert run(["lint", "-f", "-"]) == Exit.DONE
    out = capsys.readouterr().out
    assert out.startswith("stdin:7:3: warning: spec.replicas is 1:")
    assert "[few-replicas, shop/templates/web.yaml]" in out


def test_without_a_file_there_is_nothing_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["lint"]) == Exit.USAGE
    assert "No file was given. Name files or directories" in capsys.readouterr().err


def test_a_file_that_is_not_there_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["lint", str(tmp_path / "web.yaml")]) == Exit.IMPOSSIBLE
    assert "web.yaml cannot be read: No such file or directory" in capsys.readouterr().err


def test_the_short_help_is_the_one_of_the_group() -> None:
    assert lint.short_help == COMMANDS["lint"].help


def test_the_help_shows_how_to_pipe() -> None:
    with click.Context(lint) as ctx:
        assert "helm template CHART | kubectl canary lint -f -\n" in lint.get_help(ctx)


def test_the_command_imports_nothing_heavy_before_it_runs() -> None:
    code = (
        "import sys; import canary_operator.plugin.commands.lint; "
        "print([one for one in ('yaml', 'pydantic', 'rich', 'kubernetes') if one in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout == "[]\n"
