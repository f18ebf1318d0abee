"""What the image, the demo and the tests install is the same, and pinned; so is the version."""

import re
from itertools import chain
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.image.dockerfile import Dockerfile, argument
from tests.image.locks import (
    BUILD,
    EVERYTHING,
    IMAGE,
    PLAYGROUND,
    REPOSITORY,
    SBOM,
    entries,
    here,
    project,
    version,
)

LOCKS = pytest.mark.parametrize(
    "lock", [IMAGE, BUILD, SBOM, PLAYGROUND, EVERYTHING], ids=lambda lock: str(lock.name)
)


@LOCKS
def test_every_entry_of_a_lock_is_pinned_by_hashes_and_names_no_index(lock: Path) -> None:
    lines = lock.read_text().splitlines()
    pinned = [line for line in lines if not line.startswith("    --hash=sha256:")]
    assert len(pinned) == len(entries(lock)) > 0
    assert len(lines) > len(pinned) * 2 - 1
    assert not re.search(r"https?://|--(extra-)?index-url|--find-links", lock.read_text())


@pytest.mark.parametrize(
    ("lock", "required"),
    [
        pytest.param(IMAGE, project()["project"]["dependencies"], id="the image"),
        pytest.param(BUILD, project()["build-system"]["requires"], id="its build"),
        pytest.param(
            PLAYGROUND,
            project()["project"]["dependencies"]
            + project()["project"]["optional-dependencies"]["playground"],
            id="the demo",
        ),
    ],
)
def test_a_lock_satisfies_what_the_project_asks_for(lock: Path, required: list[str]) -> None:
    locked = here(lock)
    for requirement in map(Requirement, required):
        if requirement.marker is None or requirement.marker.evaluate():
            found = locked.get(canonicalize_name(requirement.name))
            assert found is not None, f"{requirement} is not in {lock.name}"
            assert requirement.specifier.contains(found), f"{requirement}, but locked is {found}"


@pytest.mark.parametrize("lock", [IMAGE, PLAYGROUND], ids=["image", "demo"])
def test_a_lock_has_the_versions_that_the_tests_run_with(lock: Path) -> None:
    tested = set(map(str, entries(EVERYTHING)))
    assert set(map(str, entries(lock))) <= tested


def test_the_image_gets_nothing_that_only_tests_or_the_demo_need() -> None:
    extras = chain.from_iterable(project()["project"]["optional-dependencies"].values())
    only = {canonicalize_name(Requirement(each).name) for each in extras}
    assert not only & set(here(IMAGE))


def test_one_version_stands_everywhere() -> None:
    image = Dockerfile.read(REPOSITORY / "Dockerfile").stages[-1]
    labelled = [argument(each) for each in image.all("ARG") if each.text.startswith("VERSION=")]
    chart = yaml.safe_load((REPOSITORY / "deploy/chart/canary-operator/Chart.yaml").read_text())
    heading = re.search(
        r"^## \[(\d[^\]]*)\]", (REPOSITORY / "CHANGELOG.md").read_text(), re.MULTILINE
    )
    assert heading is not None
    assert heading[1] == version()
    assert labelled == [{"VERSION": version()}]
    assert (chart["version"], chart["appVersion"]) == (version(), version())


def test_the_base_image_is_pinned_by_its_digest() -> None:
    stages = Dockerfile.read(REPOSITORY / "Dockerfile").stages
    bases = {stage.base for stage in stages}
    assert len(bases) == 1
    assert re.fullmatch(
        r"docker\.io/library/python:3\.13\.\d+-slim-\w+@sha256:[0-9a-f]{64}", bases.pop()
    )
