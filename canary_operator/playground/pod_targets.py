"""Which pods Prometheus scrapes: those that ask for it, by the annotation that many clusters know.

    metadata: {annotations: {prometheus.io/scrape: "true"}}

Their series get the labels of the pod, and `namespace` and `pod`. Prometheus could ask the API
server itself, but Debian builds it without that.
"""

import json
from collections.abc import AsyncGenerator, Iterable
from pathlib import Path
from typing import Protocol, Self

from canary_operator.adapters.cluster.feed import Change, ChangeKind, Manifest
from canary_operator.playground.client import PODS, Resource
from canary_operator.playground.controllers.probes import first_port
from canary_operator.playground.controllers.runtime import PORT_ANNOTATION
from canary_operator.playground.mesh.background import Background

SCRAPE_ANNOTATION = "prometheus.io/scrape"


class Watching(Protocol):
    """What is needed of an API client."""

    def watch(self, resource: Resource) -> AsyncGenerator[Change, None]:
        """Report every object, then `SYNCED`, then every change, for ever."""
        ...


class PodTargets:
    """Keeps a file for Prometheus in step with the pods; use it as an async context manager."""

    def __init__(self, cluster: Watching, file: Path) -> None:
        """Remember what to follow, and where to write."""
        self.file = file
        self._cluster = cluster
        self._pods: dict[str, Manifest] = {}
        self._background = Background()

    async def __aenter__(self) -> Self:
        self._write()
        await self._background.__aenter__()
        self._background.start(self._follow(), "targets of Prometheus")
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._background.__aexit__()

    async def _follow(self) -> None:
        async for change in self._cluster.watch(PODS):
            if change.kind is ChangeKind.SYNCED:
                continue
            uid = change.object["metadata"]["uid"]
            if change.kind is ChangeKind.DELETED:
                self._pods.pop(uid, None)
            else:
                self._pods[uid] = change.object
            self._write()

    def _write(self) -> None:
        """Write beside the file and rename, so that Prometheus never reads half of it."""
        text = json.dumps(targets_of(self._pods.values()))
        if self.file.exists() and self.file.read_text() == text:
            return
        fresh = self.file.with_suffix(".new")
        fresh.write_text(text)
        fresh.rename(self.file)


def targets_of(pods: Iterable[Manifest]) -> list[Manifest]:
    """Return the pods that ask to be scraped and have an address, in Prometheus' words."""
    return [
        {
            "targets": [f"{pod['status']['podIP']}:{_port(pod)}"],
            "labels": {
                **{_label(key): value for key, value in pod["metadata"].get("labels", {}).items()},
                "namespace": pod["metadata"]["namespace"],
                "pod": pod["metadata"]["name"],
            },
        }
        for pod in pods
        if _annotations(pod).get(SCRAPE_ANNOTATION) == "true" and pod.get("status", {}).get("podIP")
    ]


def _annotations(pod: Manifest) -> Manifest:
    found: Manifest = pod["metadata"].get("annotations") or {}
    return found


def _port(pod: Manifest) -> str:
    return str(_annotations(pod).get(PORT_ANNOTATION) or first_port(pod["spec"]["containers"][0]))


def _label(name: str) -> str:
    """Return a label's name as Prometheus allows it.

    Example:
        >>> _label("canary-operator.dev/track")
        'canary_operator_dev_track'
    """
    return "".join(letter if letter.isalnum() else "_" for letter in name)
