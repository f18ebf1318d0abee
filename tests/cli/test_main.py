"""`canary-operator run`: flags and environment variables become the operator's options."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from canary_operator import wiring
from canary_operator.cli import logs
from canary_operator.cli.main import main, run
from canary_operator.options import Options, PrometheusOptions

ADDRESS = "http://prometheus:9090"
DEFAULTS = Options(PrometheusOptions(ADDRESS), health_address=("", 8080))


class Started:
    """What the operator was started with."""

    def __init__(self) -> None:
        self.options: Options | None = None
        self.logs: tuple[str, str] | None = None


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> Iterator[Started]:
    started = Started()
    monkeypatch.setattr(
        wiring, "run_operator", lambda options: setattr(started, "options", options)
    )
    monkeypatch.setattr(logs, "set_up_logs", lambda *how: setattr(started, "logs", how))
    return started


def invoke(*arguments: str, **environment: str) -> Result:
    variables = {f"CANARY_OPERATOR_{name}": value for name, value in environment.items()}
    return CliRunner().invoke(main, ["run", *arguments], env=variables)


def test_defaults(started: Started) -> None:
    result = invoke(f"--prometheus-address={ADDRESS}")
    assert result.exit_code == 0, result.output
    assert started.options == DEFAULTS
    assert started.logs == ("info", "text")


FLAGS: list[Any] = [
    ("--namespace", "demo", "namespaces", ("demo",)),
    ("--allowed-host", "demo/*.example.com", "allowed_hosts", ("demo/*.example.com",)),
    ("--custom-queries", "demo,shop", "custom_queries", ("demo", "shop")),
    ("--custom-queries", "none", "custom_queries", ()),
    ("--cluster-domain", "corp.local", "cluster_domain", "corp.local"),
    ("--metrics-address", "127.0.0.1:9000", "health_address", ("127.0.0.1", 9000)),
    ("--metrics-address", "", "health_address", None),
    ("--leader-election-namespace", "ops", "leader_election_namespace", "ops"),
    ("--leader-election-lease", "demo", "leader_election_lease", "demo"),
    ("--max-concurrent-ticks", "4", "max_concurrent_ticks", 4),
    ("--prometheus-timeout", "2s", "prometheus.timeout", timedelta(seconds=2)),
    ("--prometheus-scrape-interval", "1m", "prometheus.scrape_interval", timedelta(minutes=1)),
    ("--prometheus-header", "X-Scope-OrgID=a", "prometheus.headers", {"X-Scope-OrgID": "a"}),
]


def option_of(options: Options | None, path: str) -> Any:
    found: Any = options
    for name in path.split("."):
        found = getattr(found, name)
    return found


@pytest.mark.parametrize("way", ["flag", "variable"])
@pytest.mark.parametrize(("flag", "text", "path", "expected"), FLAGS)
def test_each_flag_is_also_an_environment_variable(  # noqa: PLR0913, PLR0917 - a table
    started: Started, way: str, flag: str, text: str, path: str, expected: Any
) -> None:
    variable = flag.removeprefix("--").replace("-", "_").upper()
    if way == "variable" and not text:
        expected = option_of(DEFAULTS, path)  # an empty variable is one that is not set
    given = ([f"{flag}={text}"], {}) if way == "flag" else ([], {variable: text})
    result = invoke(*given[0], PROMETHEUS_ADDRESS=ADDRESS, **given[1])
    assert result.exit_code == 0, result.output
    assert option_of(started.options, path) == expected


@pytest.mark.parametrize("way", ["flag", "variable"])
@pytest.mark.parametrize("name", ["ca_file", "bearer_token_file"])
def test_files(started: Started, tmp_path: Path, way: str, name: str) -> None:
    file = tmp_path / "file"
    file.touch()
    flag = f"--prometheus-{name.replace('_', '-')}"
    given: tuple[list[str], dict[str, str]] = ([f"{flag}={file}"], {})
    if way == "variable":
        given = ([], {f"PROMETHEUS_{name.upper()}": str(file)})
    result = invoke(*given[0], PROMETHEUS_ADDRESS=ADDRESS, **given[1])
    assert result.exit_code == 0, result.output
    assert option_of(started.options, f"prometheus.{name}") == file


@pytest.mark.parametrize("way", ["flag", "variable"])
def test_logs(started: Started, way: str) -> None:
    if way == "flag":
        result = invoke("--log-level=debug", "--log-format=json", PROMETHEUS_ADDRESS=ADDRESS)
    else:
        result = invoke(LOG_LEVEL="debug", LOG_FORMAT="json", PROMETHEUS_ADDRESS=ADDRESS)
    assert result.exit_code == 0, result.output
    assert started.logs == ("debug", "json")


@pytest.mark.parametrize(
    ("arguments", "environment"),
    [
        (["--namespace=b", "--namespace=a", "--namespace=b"], {}),
        ([], {"NAMESPACE": "b a"}),
    ],
)
def test_namespaces_repeat(
    started: Started, arguments: list[str], environment: dict[str, str]
) -> None:
    invoke(*arguments, PROMETHEUS_ADDRESS=ADDRESS, **environment)
    assert option_of(started.options, "namespaces") == ("a", "b")


def test_a_flag_outranks_its_variable(started: Started) -> None:
    invoke("--cluster-domain=flag", CLUSTER_DOMAIN="variable", PROMETHEUS_ADDRESS=ADDRESS)
    assert option_of(started.options, "cluster_domain") == "flag"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param([], ["--prometheus-address", "CANARY_OPERATOR_PROMETHEUS_ADDRESS"], id="none"),
        pytest.param(["--prometheus-timeout=5"], ["'5' is not a duration", "5s"], id="timeout"),
        pytest.param(["--prometheus-header=x"], ["a header must be NAME=VALUE"], id="header"),
        pytest.param(["--metrics-address=8080"], ["'8080' is not [HOST]:PORT"], id="address"),
        pytest.param(["--max-concurrent-ticks=0"], ["0", "1<=x<=1000"], id="ticks"),
        pytest.param(["--log-level=loud"], ["'loud'", "debug"], id="level"),
        pytest.param(["--log-format=xml"], ["'xml'", "json"], id="format"),
        pytest.param(["--prometheus-ca-file=/none"], ["'/none' does not exist"], id="file"),
        pytest.param(["--no-such-flag"], ["--no-such-flag"], id="unknown flag"),
    ],
)
def test_a_wrong_value_is_told_and_nothing_starts(
    started: Started, arguments: list[str], words: list[str]
) -> None:
    given = [f"--prometheus-address={ADDRESS}", *arguments] if arguments else []
    result = invoke(*given)
    assert result.exit_code == 2
    for word in words:
        assert word in result.output
    assert started.options is None


def test_help_names_each_variable() -> None:
    text = " ".join(CliRunner().invoke(main, ["run", "--help"]).output.split())
    for parameter in run.params:
        if isinstance(parameter.envvar, str):
            assert f"env var: {parameter.envvar}" in text
            assert parameter.envvar.startswith("CANARY_OPERATOR_")


def test_every_flag_has_a_variable() -> None:
    assert [parameter.name for parameter in run.params if not parameter.envvar] == []


def test_the_version_is_told() -> None:
    result = CliRunner().invoke(main, ["--version"])
    assert result.exit_code == 0
    assert "canary-operator" in result.output or "version" in result.output


@pytest.mark.parametrize(
    ("arguments", "environment", "expected"),
    [
        pytest.param([], {}, None, id="in a cluster, unless something is said"),
        pytest.param(["--leader-election"], {}, True, id="asked for"),
        pytest.param(["--no-leader-election"], {}, False, id="refused"),
        pytest.param([], {"LEADER_ELECTION": "true"}, True, id="asked for by variable"),
        pytest.param([], {"LEADER_ELECTION": "false"}, False, id="refused by variable"),
    ],
)
def test_leader_election_is_on(
    started: Started, arguments: list[str], environment: dict[str, str], expected: bool | None
) -> None:
    result = invoke(f"--prometheus-address={ADDRESS}", *arguments, **environment)
    assert result.exit_code == 0, result.output
    assert started.options is not None
    assert started.options.leader_election is expected
