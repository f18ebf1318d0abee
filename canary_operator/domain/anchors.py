"""The second owner of the objects of a rollout: they stay with it while the first one is deleted.

Deleted in the foreground, as Argo CD prunes, a CanaryRollout loses its objects before itself. One
that has another owner, which stays, is let alone: it only loses the reference to the first.
"""

from typing import Any

ANCHOR_KIND = "ControllerRevision"
"""Its kind; the operator has to do with objects of this kind anyway."""


def anchor_name(rollout: str, uid: str) -> str:
    """Return the name of the anchor of the rollout with that uid: it says whose it is."""
    return f"{rollout}-{uid}"


def anchored_uid(rollout: str, anchor: str) -> str | None:
    """Return the uid of the rollout whose anchor has that name; None if it is no anchor of one."""
    begin = anchor_name(rollout, "")
    return anchor.removeprefix(begin) if anchor.startswith(begin) else None


def anchor_reference(rollout: str, uid: str, anchor: str) -> dict[str, Any]:
    """Return the ownerReference to the anchor of a rollout, which has the uid `anchor`."""
    return {
        "apiVersion": "apps/v1",
        "kind": ANCHOR_KIND,
        "name": anchor_name(rollout, uid),
        "uid": anchor,
    }
