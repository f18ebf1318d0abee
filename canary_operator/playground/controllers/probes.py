"""Readiness probes as a kubelet makes them."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from canary_operator.playground.controllers.addresses import Address


@dataclass(frozen=True)
class Probe:
    """How to find out whether a container is ready."""

    address: Address
    path: str | None = None
    """What to GET; without a path, that the port accepts connections is enough."""
    headers: tuple[tuple[str, str], ...] = ()
    initial_delay_seconds: float = 0.0
    period_seconds: float = 10.0
    timeout_seconds: float = 1.0
    failures_tolerated: int = 2
    """`failureThreshold` less one."""
    is_repeated: bool = True
    """Whether it goes on once the container is ready."""

    @classmethod
    def of(cls, container: Mapping[str, Any], address: Address) -> "Probe":
        """Read the readiness probe of a container that listens at `address`.

        A probe of another kind than `httpGet`, or none, comes down to a connection: the sample
        server has no other way to show that it is there.
        """
        probe = container.get("readinessProbe") or {}
        get = probe.get("httpGet") or {}
        target = get or probe.get("tcpSocket") or {}
        headers = tuple((each["name"], each["value"]) for each in get.get("httpHeaders") or ())
        return cls(
            address=Address(address.ip, _port(container, target.get("port"), address.port)),
            path=get.get("path", "/") if get else None,
            headers=headers,
            initial_delay_seconds=float(probe.get("initialDelaySeconds") or 0),
            period_seconds=float(probe.get("periodSeconds") or 10),
            timeout_seconds=float(probe.get("timeoutSeconds") or 1),
            failures_tolerated=int(probe.get("failureThreshold") or 3) - 1,
            is_repeated=bool(probe),
        )

    async def passes(self) -> bool:
        """Probe once."""
        with suppress(TimeoutError, OSError, ValueError, IndexError):
            async with asyncio.timeout(self.timeout_seconds):
                return await self._tried()
        return False

    async def _tried(self) -> bool:
        reader, writer = await asyncio.open_connection(self.address.ip, self.address.port)
        try:
            if self.path is None:
                return True
            extra = "".join(f"{name}: {value}\r\n" for name, value in self.headers)
            host = f"{self.address.ip}:{self.address.port}"
            request = (
                f"GET {self.path} HTTP/1.1\r\nhost: {host}\r\n{extra}connection: close\r\n\r\n"
            )
            writer.write(request.encode())
            status = int((await reader.readline()).split()[1])
            return 200 <= status < 400  # noqa: PLR2004 - what a kubelet takes for success
        finally:
            writer.close()


def first_port(container: Mapping[str, Any]) -> int:
    """Return the port that the server of a container listens on."""
    ports = container.get("ports") or [{"containerPort": 8080}]
    return int(ports[0]["containerPort"])


def _port(container: Mapping[str, Any], wanted: int | str | None, real: int) -> int:
    """Return where a probe's port really is: only the first port is served, and may be moved."""
    ports = container.get("ports") or []
    named = {port.get("name"): port["containerPort"] for port in ports}
    number = named.get(wanted, wanted)
    served = number is None or number == first_port(container)
    return real if served or not str(number).isdigit() else int(str(number))
