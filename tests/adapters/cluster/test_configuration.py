"""Where the API server is."""

import json
from pathlib import Path

import pytest
from kubernetes.aio.config import ConfigException

from canary_operator.adapters.cluster import configuration as module
from canary_operator.adapters.cluster.configuration import load_configuration


@pytest.fixture(autouse=True)
def _outside_a_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)


def write(path: Path, server: str, user: dict) -> None:
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "test",
        "clusters": [{"name": "test", "cluster": {"server": server}}],
        "users": [{"name": "test", "user": user}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
    }
    path.write_text(json.dumps(config))


async def token_of(configuration: object) -> str | None:
    return await configuration.get_api_key_with_prefix("BearerToken")  # type: ignore[attr-defined]


async def test_kubeconfig_is_looked_up_when_it_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
    write(tmp_path / "config", "http://127.0.0.1:1", {"token": "one"})
    configuration = await load_configuration()
    assert configuration.host == "http://127.0.0.1:1"
    assert await token_of(configuration) == "Bearer one"


async def test_tokens_of_a_login_program_are_renewed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
    monkeypatch.setattr(module, "_RENEW_SECONDS", 0.0)
    program = tmp_path / "login"
    answers = tmp_path / "answers"
    answers.write_text("1")
    program.write_text(
        "#!/bin/sh\n"
        f"n=$(cat {answers}); echo $((n + 1)) > {answers}\n"
        'echo \'{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", '
        '"status": {"token": "token-\'$n\'"}}\'\n'
    )
    program.chmod(0o755)
    version = "client.authentication.k8s.io/v1"
    login = {"command": str(program), "apiVersion": version, "interactiveMode": "Never"}
    write(tmp_path / "config", "http://127.0.0.1:1", {"exec": login})
    configuration = await load_configuration()
    tokens = [await token_of(configuration) for _ in range(2)]
    assert tokens == ["Bearer token-2", "Bearer token-3"]
    monkeypatch.setattr(module, "_RENEW_SECONDS", 60.0)
    assert await token_of(configuration) == "Bearer token-3"


async def test_without_any_cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "missing"))
    with pytest.raises(ConfigException):
        await load_configuration()
