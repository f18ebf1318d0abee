"""What a node gives a pod and a bare process lacks: address and name of its own, the cluster's DNS.

Python imports this file at its start, in every process that `tests.install.pods` starts for a pod.

- Who listens on all addresses listens on the pod's; so two pods on one machine listen on one port.
- The host is called as the pod is.
- Names of Services are those of the file `POD_HOSTS`, and no others exist.
"""

import json
import os
import socket
from pathlib import Path
from typing import Any

POD_IP = os.environ.get("POD_IP", "")
ALL = (None, "", "0.0.0.0", "::")
_getaddrinfo = socket.getaddrinfo


def getaddrinfo(host: Any, port: Any, *args: Any, **kwargs: Any) -> list[Any]:
    """Look a name up as inside the pod."""
    if host in ALL:
        host = POD_IP
    elif str(host).endswith(".svc"):
        known = json.loads(Path(os.environ["POD_HOSTS"]).read_text())
        if host not in known:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        host = known[host]
    return _getaddrinfo(host, port, *args, **kwargs)


if POD_IP:  # and not when a collector of tests looks in here
    socket.getaddrinfo = getaddrinfo  # type: ignore[assignment]
    socket.gethostname = lambda: os.environ["HOSTNAME"]
