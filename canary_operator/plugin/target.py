"""Which cluster a command line means."""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Target:
    """Which cluster, as whom, and which namespace."""

    kubeconfig: Path | None = None
    context: str | None = None
    namespace: str | None = None
    """None is the one of the context."""
    as_user: str | None = None
    request_timeout: timedelta = timedelta(seconds=10)
    as_groups: tuple[str, ...] = ()
    """Groups to act as a member of, beside the user."""
