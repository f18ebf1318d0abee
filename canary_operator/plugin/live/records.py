"""What a rollout was accepted with, revision by revision: the operator's own records."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from canary_operator.adapters.cluster.resources import RECORDS
from canary_operator.domain.objects import REVISION, ROLLOUT_LABEL
from canary_operator.plugin.live.access import Cluster
from canary_operator.plugin.sight import Sight, images_of


@dataclass(frozen=True, slots=True)
class Record:
    """One revision."""

    revision: str
    number: int
    """Higher for one that was accepted later."""
    template: Mapping[str, Any]
    """The pod template as the user wrote it."""
    created_at: datetime | None = None

    @property
    def images(self) -> str:
        """The images of its containers."""
        return ", ".join(images_of(self.template).values())


def label_of(name: str) -> str:
    """Return the label selector of everything that belongs to a rollout."""
    return f"{ROLLOUT_LABEL}={name}"


async def records_of(cluster: Cluster, sight: Sight) -> tuple[Record, ...]:
    """Return the records of a rollout, newest first."""
    listed = cluster.list(RECORDS, sight.namespace, labelSelector=label_of(sight.name))
    found = [_record(one) async for one in listed if _is_owned(one, sight.uid)]
    kept = [record for record in found if record.revision and record.template]
    return tuple(sorted(kept, key=lambda record: record.number, reverse=True))


def _is_owned(manifest: Mapping[str, Any], uid: str) -> bool:
    references = manifest["metadata"].get("ownerReferences") or ()
    return any(one.get("uid") == uid for one in references)


def _record(manifest: Mapping[str, Any]) -> Record:
    meta = manifest["metadata"]
    created = meta.get("creationTimestamp")
    return Record(
        revision=(meta.get("annotations") or {}).get(REVISION) or "",
        number=manifest.get("revision") or 0,
        template=(manifest.get("data") or {}).get("template") or {},
        created_at=datetime.fromisoformat(created) if created else None,
    )
