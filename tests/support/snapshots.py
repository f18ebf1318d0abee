"""Texts as they were when somebody looked at them and found them good.

UPDATE_SNAPSHOTS=1 python -m pytest tests/plugin    # writes them anew; read the diff
"""

import os
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "snapshots"
UPDATE_VARIABLE = "UPDATE_SNAPSHOTS"


def check_snapshot(name: str, text: str) -> None:
    """Compare a text with the file of that name.

    Args:
        name: Path below `tests/snapshots`, without `.txt`.
        text: What is shown today.

    Raises:
        AssertionError: it is another, or there is no file.
    """
    file = FOLDER / f"{name}.txt"
    if os.environ.get(UPDATE_VARIABLE):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    assert file.exists(), (
        f"no snapshot {name}; look at the text and set {UPDATE_VARIABLE}=1:\n{text}"
    )
    assert text == file.read_text(encoding="utf-8")
