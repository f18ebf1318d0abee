"""The tables of modules in `docs/architecture.md`, from the docstrings.

    python -m tests.docs.modules

writes them; a test says when they are stale.
"""

import ast
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "architecture.md"
PACKAGE = ROOT / "canary_operator"
INIT = "__init__.py"
END = "<!-- generated: end -->"


def first_sentence(module: Path) -> str:
    """Return the summary of a module, on one line."""
    text = ast.get_docstring(ast.parse(module.read_text(encoding="utf-8"))) or ""
    return text.partition("\n\n")[0].replace("\n", " ")


def table(base: Path, parts: Iterable[Path]) -> str:
    """Return a table with a row for each module and package, named as below `base`."""
    return "\n".join(["| module | one line |", "|---|---|", *(row(base, part) for part in parts)])


def row(base: Path, part: Path) -> str:
    """Return the row of a module, or of the package that an `__init__.py` describes."""
    name = part.relative_to(base)
    shown = f"{name.parent}/" if part.name == INIT else str(name)
    return f"| `{shown}` | {first_sentence(part)} |"


def tables() -> dict[str, str]:
    """Return each table by the folder that it is about."""
    found = {}
    for name in ("domain", "engine", "plugin"):
        folder = PACKAGE / name
        modules = (path for path in sorted(folder.rglob("*.py")) if path.name != INIT)
        found[name] = table(folder, modules)
    playground = PACKAGE / "playground"
    modules = (path for path in sorted(playground.glob("*.py")) if path.name != INIT)
    packages = sorted(playground.glob(f"*/**/{INIT}"))
    return {**found, "playground": table(PACKAGE, [*modules, *packages])}


def with_tables(text: str) -> str:
    """Return the page with fresh tables between its markers.

    Raises:
        ValueError: a marker is missing.
    """
    for name, fresh in tables().items():
        begin = f"<!-- generated from the docstrings of canary_operator/{name}: begin -->"
        before, found, rest = text.partition(begin)
        _, end, after = rest.partition(END)
        if not (found and end):
            raise ValueError(f"the markers of {name} are missing")
        text = f"{before}{begin}\n{fresh}\n{END}{after}"
    return text


if __name__ == "__main__":
    PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
