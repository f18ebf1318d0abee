"""What an election needs of the outside: the Lease, and a clock that nobody sets."""

import time
from collections.abc import AsyncGenerator, Mapping
from typing import Any, Protocol

Manifest = Mapping[str, Any]


class LeaseAccess(Protocol):
    """What an election needs of the API server; `adapters.cluster.leases.Lease` has it."""

    async def read(self) -> Manifest | None:
        """Return the Lease; None where it does not exist."""
        ...

    def follow(self) -> AsyncGenerator[Manifest | None, None]:
        """Yield the Lease now and after each change, until the connection ends."""
        ...

    async def create(self, spec: Manifest) -> Manifest:
        """Make it; ConflictError when somebody else was first."""
        ...

    async def change(self, version: str, spec: Manifest) -> Manifest:
        """Change its spec; ConflictError when it has another version by now."""
        ...


def uptime() -> float:
    """Return seconds that never go back and, on Linux, count while the machine is suspended."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))
