"""What the pages say is what the code does."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import click
import pytest
import yaml

from canary_operator.cli.main import run
from canary_operator.crd import custom_resource_definition
from canary_operator.domain.phase import Phase
from canary_operator.domain.reasons import Reason
from canary_operator.domain.requests import Verb
from canary_operator.domain.spec import parse_spec
from tests.docs.modules import with_tables

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    page
    for folder in ("", "docs/**/", "examples/**/", "deploy/**/")
    for page in ROOT.glob(f"{folder}*.md")
    if page.is_file()
)
MANIFESTS = sorted(ROOT.glob("examples/**/*.yaml"))
REFERENCE = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def prose(page: Path) -> str:
    return FENCE.sub("", page.read_text(encoding="utf-8"))


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_between_files_lead_somewhere(page: Path) -> None:
    for link in LINK.findall(prose(page)):
        if link.startswith(("http://", "https://")):
            continue
        path, _, anchor = unquote(link).partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_there_is_one_sentence_per_line(page: Path) -> None:
    for line in prose(page).splitlines():
        if not line.startswith(("|", "#")):
            assert not re.search(r"[a-z`)]\. [A-Z]", line), line


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_is_explained(reason: Reason) -> None:
    assert f"\n| `{reason}` |" in REFERENCE


@pytest.mark.parametrize(
    "reason", re.findall(r"^\| `([A-Z]\w+)` \| [CEH]", REFERENCE, re.MULTILINE)
)
def test_every_explained_reason_exists(reason: str) -> None:
    assert reason in set(Reason)


@pytest.mark.parametrize("phase", Phase)
def test_every_phase_is_explained(phase: Phase) -> None:
    assert f"\n| `{phase}` |" in REFERENCE


@pytest.mark.parametrize("verb", Verb)
def test_every_request_is_explained(verb: Verb) -> None:
    assert f"\n| `{verb}` |" in REFERENCE


def test_flags_are_those_of_the_command() -> None:
    documented = re.findall(
        r"^\| `(--[a-z-]+)[^`]*` \| `(CANARY_OPERATOR_\w+)`", REFERENCE, re.MULTILINE
    )
    options = [option for option in run.params if isinstance(option, click.Option)]
    assert documented == [(option.opts[0], option.envvar) for option in options]


def fields(schema: dict[str, Any], path: str) -> Iterator[str]:
    """Yield the paths of all fields below one: `spec.strategy.steps[].weight`."""
    for field, below in schema.get("properties", {}).items():
        items = below.get("items")
        here = f"{path}.{field}[]" if items else f"{path}.{field}"
        yield here
        yield from fields(items or below, here)


def test_fields_are_those_of_the_resource() -> None:
    version = custom_resource_definition()["spec"]["versions"][0]
    schema = version["schema"]["openAPIV3Schema"]["properties"]
    documented = re.findall(r"^\| `((?:spec|status)\.[\w.\[\]]+)` \|", REFERENCE, re.MULTILINE)
    assert sorted(documented) == sorted(
        path for part in ("spec", "status") for path in fields(schema[part], part)
    )


def test_every_module_has_its_line() -> None:
    assert with_tables(ARCHITECTURE) == ARCHITECTURE, "run: python -m tests.docs.modules"


def blocks() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every CanaryRollout in pages and examples, with where it stands."""
    for page in PAGES:
        for language, text in FENCE.findall(page.read_text(encoding="utf-8")):
            if language == "yaml":
                yield from ((name(page), one) for one in yaml.safe_load_all(text))
    for path in MANIFESTS:
        loaded = yaml.safe_load_all(path.read_text(encoding="utf-8"))
        yield from ((name(path), one) for one in loaded)


ROLLOUTS = [(where, one) for where, one in blocks() if one.get("kind") == "CanaryRollout"]


@pytest.mark.parametrize("rollout", [one for _, one in ROLLOUTS], ids=[w for w, _ in ROLLOUTS])
def test_rollouts_in_pages_and_examples_are_accepted(rollout: dict[str, Any]) -> None:
    spec = parse_spec(rollout["spec"])
    assert spec.has_pods == ("template" in rollout["spec"])
    assert spec.template.raw == rollout["spec"].get("template", {})


def test_there_are_rollouts_in_the_readme() -> None:
    assert "README.md" in {where for where, _ in ROLLOUTS}


PLACES = [*PAGES, *MANIFESTS, ROOT / "docs" / "images" / "rollout.svg"]


@pytest.mark.parametrize("page", PLACES, ids=name)
def test_no_page_names_somebodys_machine(page: Path) -> None:
    found = re.findall(r"(?<![\w.])/(?:home|root|work|Users)/\S*", page.read_text(encoding="utf-8"))
    assert not found


@pytest.mark.parametrize("page", sorted(ROOT.glob("docs/decisions/*.md")), ids=name)
def test_a_decision_has_its_parts(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert text.startswith(f"# {page.name[:4]}: ")
    assert re.search(r"^Date: \d{4}-\d\d-\d\d$", text, re.MULTILINE)
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert headings == ["Context", "Decision", "Consequences"]
