"""The image as a container engine builds and runs it, where one answers."""

import shutil
import subprocess
from collections.abc import Iterator

import pytest

from tests.image.locks import REPOSITORY, version

pytestmark = [pytest.mark.xdist_group("image"), pytest.mark.timeout(900)]

TAG = "canary-operator:of-the-tests"


def output(*command: str) -> str:
    """Run a command to its end and return what it printed."""
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=REPOSITORY, timeout=800
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def engine() -> str:
    """The first engine that answers."""
    for name in ("docker", "podman"):
        if shutil.which(name) is None:
            continue
        asked = subprocess.run([name, "info"], capture_output=True, check=False, timeout=60)
        if asked.returncode == 0:
            return name
    pytest.skip("no container engine answers; test_rehearsal.py carries the steps out instead")


@pytest.fixture(scope="module")
def image(engine: str) -> Iterator[str]:
    """The image, built by `make image`, which also starts it once."""
    output("make", "image", f"IMAGE={TAG}")
    yield TAG
    output(engine, "image", "rm", "--force", TAG)


def test_it_starts_read_only_as_nobody_without_any_right(engine: str, image: str) -> None:
    closed = ("--rm", "--read-only", "--cap-drop", "ALL", "--user", "65532", "--network", "none")
    assert version() in output(engine, "run", *closed, image, "--version")


def test_no_installer_is_left_in_it(engine: str, image: str) -> None:
    find = ("run", "--rm", "--entrypoint", "python", image, "-c")
    code = "import importlib.util as u; print([n for n in ('pip', 'setuptools') if u.find_spec(n)])"
    assert output(engine, *find, code).strip() == "[]"
