"""`docs/security.md` lists the rights that are granted; what it and `docs/reliability.md` cite."""

import re
from pathlib import Path

import pytest

from tests.support.rights import KINDS_OF_RIGHTS, manifests

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
RELIABILITY = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
CITED = re.findall(r"`(tests/[\w/]+\.py)`((?:(?::|,) `test_\w+`)*)", PAGE + RELIABILITY)
ROW = re.compile(r"^\|([^|]*)\|([^|]*)\|[^|]*\|$", re.MULTILINE)
HEADER = 2
"""Lines above the rows of a table."""


def test_the_pages_cite_tests() -> None:
    assert len(CITED) > 40


@pytest.mark.parametrize(("path", "names"), CITED)
def test_every_test_that_is_cited_exists(path: str, names: str) -> None:
    source = (ROOT / path).read_text(encoding="utf-8")
    for name in re.findall(r"test_\w+", names):
        assert re.search(rf"^(async )?def {name}\(", source, re.MULTILINE), name


def test_the_page_lists_exactly_the_rights_that_are_granted() -> None:
    _, _, section = PAGE.partition("## Rights of the operator")
    told: set[tuple[str, str]] = set()
    resources: list[str] = []
    for first, second in ROW.findall(section.partition("\n## ")[0])[HEADER:]:
        resources = re.findall(r"`([\w/]+)`", first) or resources
        told |= {(one, verb) for one in resources for verb in second.strip().split(", ")}
    documents = manifests(*KINDS_OF_RIGHTS)
    bound = {each["roleRef"]["name"] for each in documents if "roleRef" in each}
    roles = [each for each in documents if "rules" in each and each["metadata"]["name"] in bound]
    granted = {
        (resource, verb)
        for role in roles
        for rule in role["rules"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    assert told == granted
