"""What the lock files say, and what they have to satisfy."""

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

REPOSITORY = Path(__file__).parents[2]
IMAGE = REPOSITORY / "deploy/image/requirements.txt"
BUILD = REPOSITORY / "deploy/image/build.txt"
SBOM = REPOSITORY / "deploy/image/sbom.txt"
PLAYGROUND = REPOSITORY / ".ci/playground.txt"
EVERYTHING = REPOSITORY / ".ci/requirements.txt"
ENTRY = re.compile(r"^(?P<name>[\w.-]+)==(?P<version>[^\s;]+)(?P<marker> ;[^\\]*)?\s*\\$")


def project() -> Mapping[str, Any]:
    """Return pyproject.toml."""
    return tomllib.loads((REPOSITORY / "pyproject.toml").read_text())


def version() -> str:
    """Return the version of the project."""
    found: str = project()["project"]["version"]
    return found


def entries(lock: Path) -> list[Requirement]:
    """Return the locked packages, each with its exact version and its marker."""
    found = (ENTRY.match(line) for line in lock.read_text().splitlines())
    return [Requirement(each.string.rstrip("\\ ")) for each in found if each]


def here(lock: Path) -> dict[str, str]:
    """Return name and version of what a lock installs on this machine."""
    wanted = (each for each in entries(lock) if each.marker is None or each.marker.evaluate())
    return {canonicalize_name(each.name): exact(each) for each in wanted}


def exact(entry: Requirement) -> str:
    """Return the version of an entry."""
    return next(iter(entry.specifier)).version
