"""`get`: one rollout from top to bottom."""

from collections.abc import Mapping
from datetime import datetime

from rich.console import RenderableType
from rich.text import Text

from canary_operator.plugin.console import Sheet
from canary_operator.plugin.family import Family
from canary_operator.plugin.screens.history import history
from canary_operator.plugin.screens.metrics import metrics
from canary_operator.plugin.screens.rollout import overview
from canary_operator.plugin.screens.tree import MOST_PODS, tree
from canary_operator.plugin.sight import Sight

ALL_PODS = 100_000
HISTORY_SHOWN = 3
"""Finished rollouts that are shown unless all are wanted."""


def whole(  # noqa: PLR0913 - it shows that much
    sight: Sight,
    family: Family,
    images: Mapping[str, str],
    now: datetime,
    sheet: Sheet,
    *,
    wide: bool,
) -> list[RenderableType]:
    """Return everything about a rollout.

    Args:
        sight: The rollout.
        family: What belongs to it.
        images: The images of each recorded revision.
        now: For ages.
        sheet: What it is drawn on.
        wide: Whether all pods and the whole history are shown.
    """
    parts = overview(sight, now, sheet)
    judged = metrics(sight, sheet)
    if judged:
        parts += [Text(), *judged]
    pods = ALL_PODS if wide else MOST_PODS
    parts += [Text(), *tree(sight, family, now, sheet, most_pods=pods)]
    if sight.status.history:
        most = None if wide else HISTORY_SHOWN
        parts += [Text(), *history(sight, images, now, sheet, most)]
    return parts
