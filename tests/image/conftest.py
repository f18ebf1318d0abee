from pathlib import Path

import pytest

from tests.image.rehearsal import Built, Rehearsal
from tests.image.sandbox import works


@pytest.fixture(scope="session")
def rehearsal(tmp_path_factory: pytest.TempPathFactory) -> Rehearsal:
    """All steps of the Dockerfile, carried out once."""
    if not works():
        pytest.skip("a rehearsal needs Linux, `unshare`, and the right to mount")
    rehearsal = Rehearsal(tmp_path_factory.mktemp("image"))
    rehearsal.walk()
    return rehearsal


@pytest.fixture(scope="session")
def image(rehearsal: Rehearsal) -> Built:
    """The last stage."""
    return list(rehearsal.stages.values())[-1]


@pytest.fixture(scope="session")
def packages(image: Built) -> Path:
    """Where the packages of the image are, on this machine."""
    (found,) = image.path("/opt/canary-operator/lib").glob("python3.*/site-packages")
    return found
