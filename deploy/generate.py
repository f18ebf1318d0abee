"""Writes what is generated under deploy/, or checks that it is up to date.

    python -m deploy.generate             # write
    python -m deploy.generate --check     # exit code 1 and a diff when a file is stale
    python -m deploy.generate --image REPOSITORY@sha256:… > FILE    # one manifest for a release

From crds/ and the chart come the chart's CRD, the descriptions in its schema, the tables of its
README.md, and deploy/manifests/.
"""

import argparse
import difflib
import json
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from deploy.rendering import CHART, plain_manifests, released_manifest
from deploy.values import described, documented_values, table

ROOT = Path(__file__).parents[1]
CRD = ROOT / "crds" / "canaryrollouts.yaml"
MANIFESTS = ROOT / "deploy" / "manifests"

BEGIN = "<!-- generated from values.yaml: begin -->"
END = "<!-- generated: end -->"


def wanted() -> Iterator[tuple[Path, str]]:
    """Yield every generated file with its text, what is rendered after what it is rendered from."""
    values = documented_values((CHART / "values.yaml").read_text(encoding="utf-8"))
    schema_file, readme = CHART / "values.schema.json", CHART / "README.md"
    schema = described(json.loads(schema_file.read_text(encoding="utf-8")), values)
    yield CHART / "files" / "crds" / CRD.name, CRD.read_text(encoding="utf-8")
    yield schema_file, json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
    yield readme, _with_table(readme.read_text(encoding="utf-8"), table(values, schema))
    for file, text in plain_manifests().items():
        yield MANIFESTS / file, text


def _with_table(text: str, rows: str) -> str:
    before, _, rest = text.partition(BEGIN)
    _, marker, after = rest.partition(END)
    if not marker:
        raise ValueError(f"the markers {BEGIN!r} and {END!r} are missing in the chart's README.md")
    return f"{before}{BEGIN}\n{rows}\n{END}{after}"


def difference(file: Path, text: str) -> str:
    """Return how `file` differs from `text`; nothing when it does not."""
    present = file.read_text(encoding="utf-8") if file.exists() else ""
    name = str(file.relative_to(ROOT))
    lines = difflib.unified_diff(
        present.splitlines(keepends=True), text.splitlines(keepends=True), name, "generated"
    )
    return "".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the files or check them; return the exit code."""
    say = sys.stdout.write
    parser = argparse.ArgumentParser(prog="python -m deploy.generate", description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare instead of write")
    parser.add_argument(
        "--image", type=_image, help="print all of it as one manifest with this image"
    )
    options = parser.parse_args(arguments)
    if options.image:
        say(released_manifest(*options.image))
        return 0
    return _written(check=options.check)


def _image(text: str) -> tuple[str, str]:
    """Return repository and digest; a tag can come to mean another image."""
    if not (image := re.fullmatch(r"([a-z0-9]\S*)@(sha256:[0-9a-f]{64})", text)):
        raise argparse.ArgumentTypeError("write REPOSITORY@sha256:… with 64 hexadecimal digits")
    return image[1], image[2]


def _written(*, check: bool) -> int:
    say = sys.stdout.write
    stale = False
    for file, text in wanted():
        if changes := difference(file, text):
            stale = True
            say(changes if check else f"wrote {file.relative_to(ROOT)}\n")
            if not check:
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text, encoding="utf-8")
    if check and stale:
        say("Stale: run `make generate`\n")
    return int(check and stale)


if __name__ == "__main__":
    sys.exit(main())
