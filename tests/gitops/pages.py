"""The page about GitOps, piece by piece."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "gitops.md"
_FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(language: str) -> list[str]:
    """Return the blocks of a language, in their order."""
    found = _FENCE.findall(PAGE.read_text(encoding="utf-8"))
    return [text for name, text in found if name == language]


def only_block(language: str, words: str) -> str:
    """Return the one block of a language that has these words."""
    (text,) = (text for text in blocks(language) if words in text)
    return text
