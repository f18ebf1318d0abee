import asyncio
import os
import shutil
import sys
from pathlib import Path

import pytest

from canary_operator.playground.daemon import Daemon, DaemonError, ProgramMissingError, find_program


async def test_children_of_a_child_go_with_it(tmp_path: Path) -> None:
    script = "sleep 600 & echo $!; wait"
    async with Daemon(["/bin/sh", "-c", script], tmp_path / "log", capture=True) as daemon:
        grandchild = int(await daemon.output.readline())
        os.kill(grandchild, 0)
    assert not daemon.alive
    async with asyncio.timeout(5):
        while running(grandchild):  # noqa: ASYNC110
            await asyncio.sleep(0.01)


def running(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"


async def test_one_that_ignores_the_signal_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("canary_operator.playground.daemon.STOP_SECONDS", 0.1)
    script = "trap '' TERM; echo ready; while true; do sleep 1; done"
    async with Daemon(["/bin/sh", "-c", script], tmp_path / "log", capture=True) as daemon:
        await daemon.output.readline()
        pid = daemon.pid
    assert not running(pid)


async def test_output_that_nobody_reads_does_not_stand_in_the_way(tmp_path: Path) -> None:
    script = f"head -c {8 << 20} /dev/zero; exec sleep 600"
    async with asyncio.timeout(20):
        async with Daemon(["/bin/sh", "-c", script], tmp_path / "log", capture=True) as daemon:
            while not daemon.output._paused:  # type: ignore[attr-defined]  # noqa: ASYNC110
                await asyncio.sleep(0)
        assert not daemon.alive


async def test_one_that_died_shows_its_last_words(tmp_path: Path) -> None:
    script = "echo the reason >&2; exit 3"
    async with Daemon(["/bin/sh", "-c", script], tmp_path / "log") as daemon:
        assert await daemon.wait() == 3
        with pytest.raises(DaemonError, match=r"exit code 3[\s\S]*the reason"):
            daemon.check()


def test_a_missing_program_comes_with_its_remedy(tmp_path: Path) -> None:
    with pytest.raises(ProgramMissingError, match=r"'no-such' is not installed\. Get it\."):
        find_program("no-such", "Get it.", tmp_path)


def test_a_program_is_found_beside_the_interpreter_first() -> None:
    place = Path(sys.executable).parent
    assert find_program(Path(sys.executable).name, "", place).parent == place


@pytest.mark.skipif(not shutil.which("setpriv"), reason="needs setpriv, of util-linux")
async def test_a_child_dies_with_a_playground_that_is_killed(tmp_path: Path) -> None:
    script = f"""
import asyncio, pathlib
from canary_operator.playground.daemon import Daemon

async def main():
    async with Daemon(["sleep", "600"], pathlib.Path({str(tmp_path / "log")!r})) as daemon:
        while "sleep" not in pathlib.Path(f"/proc/{{daemon.pid}}/comm").read_text():
            await asyncio.sleep(0.01)
        print(daemon.pid, flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""
    playground = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        script,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert playground.stdout is not None
    child = int(await playground.stdout.readline())
    assert running(child)
    playground.kill()
    await playground.wait()
    async with asyncio.timeout(10):
        while running(child):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
