"""What the sample images do.

Nothing is pulled: the name of an image decides how its server behaves. Environment variables of
the container override what is said here.

| image | behaviour |
|---|---|
| `…:<tag>` | answers, with the tag as its version |
| `helloworld:v1`, `helloworld:v2` | healthy |
| `helloworld:v3` | faulty: 8 % of its answers are 500 |
| `…:crash*`, `…:broken*` | exits at once: CrashLoopBackOff |
| `…:missing*` | cannot be pulled: ImagePullBackOff |
"""

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Final

BEHAVIOURS: Final[Mapping[str, Mapping[str, str]]] = {
    "helloworld:v3": {"ERROR_RATE": "8%"},
    "*:crash*": {"CRASH_AFTER": "0s"},
    "*:broken*": {"CRASH_AFTER": "0s"},
}
"""Environment variables of `sample_server` by pattern of `name:tag`."""

CRASHING: Final = ("crash*", "broken*")
"""Tags whose containers exit at once."""
MISSING: Final = ("missing*",)
"""Tags that no registry has."""


def tag(image: str) -> str:
    """Return the tag of an image.

    Example:
        >>> [tag(i) for i in ("app:v1", "app", "host:5000/app", "app:v1@sha256:00")]
        ['v1', 'latest', 'latest', 'v1']
    """
    name = image.partition("@")[0].rpartition("/")[2]
    return name.partition(":")[2] or "latest"


def tag_matches(image: str, patterns: tuple[str, ...]) -> bool:
    """Return whether the tag of an image matches one of the patterns."""
    return any(fnmatchcase(tag(image), pattern) for pattern in patterns)


def behaviour(image: str) -> dict[str, str]:
    """Return the environment that makes a sample server behave as the image's name says."""
    name = image.partition("@")[0].rpartition("/")[2].partition(":")[0]
    variables = {"VERSION": tag(image)}
    for pattern, extra in BEHAVIOURS.items():
        if fnmatchcase(f"{name}:{tag(image)}", pattern):
            variables |= extra
    return variables
