"""The commands in the words of alerts can be typed as they stand."""

import asyncio
import re
import shlex
import shutil
from collections.abc import Iterator

import pytest
import yaml

from tests.monitoring.alerts import ALERTS
from tests.monitoring.conftest import Watched
from tests.support.bed import REQUEST

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.xdist_group("monitoring"),
    pytest.mark.skipif(not shutil.which("kubectl"), reason="needs kubectl"),
]

NEEDS_A_POD = "kubectl logs"
"""There is no pod of the operator here."""


def commands() -> Iterator[tuple[str, str]]:
    """Yield each command of an alert."""
    for group in yaml.safe_load(ALERTS.read_text())["groups"]:
        for rule in group["rules"]:
            words = rule["annotations"]["description"].strip()
            for found in re.findall(r"kubectl .*?(?=[,.]? [A-Z]|,? where|[.,]?$)", words):
                yield rule["alert"], found.rstrip(".,")


COMMANDS = list(commands())


async def test_there_are_commands() -> None:
    assert len(COMMANDS) >= 12
    assert {found.split()[0] for _, found in COMMANDS} == {"kubectl"}


@pytest.mark.parametrize(("alert", "command"), COMMANDS, ids=[f"{a}: {c}" for a, c in COMMANDS])
async def test_a_command_does_what_it_says(watched: Watched, alert: str, command: str) -> None:
    if command.startswith(NEEDS_A_POD):
        pytest.skip("needs a pod of the operator")
    release = watched.waiting
    typed = command.replace("{{ $labels.namespace }}", release.namespace)
    typed = typed.replace("{{ $labels.rollout }}", release.name)
    program, *arguments = shlex.split(typed.partition(" | ")[0])
    if "annotate" in arguments:
        arguments.append("--dry-run=server")
    process = await asyncio.create_subprocess_exec(
        program,
        f"--kubeconfig={watched.bed.cluster.kubeconfig}",
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode == 0, (alert, err.decode())
    if "annotate" in arguments:
        assert arguments[-2].startswith(f"{REQUEST}=")
        assert b"annotated" in out
    elif "cro" in arguments and "-A" not in arguments:
        assert release.name.encode() in out or b"person" in out
