"""Gives each pod an address of its own.

Linux answers on all of 127.0.0.0/8, so each pod gets an IP and listens on its container port, as
in a cluster. Elsewhere, and where the port needs privileges or is taken on all addresses, pods
share 127.0.0.1 and get ports of their own, which the annotation of `runtime.PORT_ANNOTATION`
tells and the EndpointSlices carry.
"""

import random
import socket
from dataclasses import dataclass

SHARED_IP = "127.0.0.1"
ATTEMPTS = 8


@dataclass(frozen=True)
class Address:
    """Where a pod listens."""

    ip: str
    port: int


def free_address(port: int) -> Address:
    """Return an address for a pod with this container port.

    Random addresses keep playgrounds on one machine out of each other's way.
    """
    for _ in range(ATTEMPTS):
        ip = f"127.{random.randint(64, 254)}.{random.randint(0, 255)}.{random.randint(1, 254)}"
        if is_free(ip, port):
            return Address(ip, port)
    with socket.socket() as probe:
        probe.bind((SHARED_IP, 0))
        return Address(SHARED_IP, probe.getsockname()[1])


def is_free(ip: str, port: int) -> bool:
    """Return whether this process could listen there."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((ip, port))
            probe.listen(1)
        except OSError:
            return False
    return True
