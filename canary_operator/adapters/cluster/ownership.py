"""Whose an object is, as its ownerReferences say."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from sys import intern
from typing import Any

from canary_operator.domain.anchors import ANCHOR_KIND, anchored_uid
from canary_operator.domain.objects import KIND
from canary_operator.ports import Key


@dataclass(frozen=True, slots=True)
class Ownership:
    """Who owns an object."""

    uid: str | None = None
    """Of the controlling owner, also where only its anchor is left."""
    name: str = ""
    """Kind and name of the controlling owner, for messages."""
    anchor: str | None = None
    """uid of the anchor."""


def ownership_of(references: Iterable[Mapping[str, Any]], rollout: Key | None) -> Ownership:
    """Return who owns an object that names `rollout` as its rollout.

    One that the garbage collector took its controlling owner from belongs to the same CanaryRollout
    still, as the name of its anchor says.
    """
    owner, anchor, anchored = None, None, None
    for ref in references:
        if ref.get("controller"):
            owner = ref
        elif ref["kind"] == ANCHOR_KIND and rollout is not None:
            anchored = anchored_uid(rollout.name, ref["name"])
            anchor = intern(ref["uid"]) if anchored else anchor
    if owner is not None:
        return Ownership(intern(owner["uid"]), intern(f"{owner['kind']} {owner['name']}"), anchor)
    if anchor is None or anchored is None or rollout is None:
        return Ownership()
    return Ownership(intern(anchored), intern(f"{KIND} {rollout.name}"), anchor)
