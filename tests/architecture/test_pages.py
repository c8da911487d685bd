"""The pages of documentation: short, complete, and pointing at what is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.architecture.checkout import CHECKOUT, tracked_files

DECISIONS = sorted((CHECKOUT / "docs" / "decisions").glob("*.md"))
PAGES = sorted([CHECKOUT / "README.md", *(CHECKOUT / "docs").rglob("*.md")])
REQUIREMENTS = (CHECKOUT / "docs" / "requirements.md").read_text("utf-8")
INVARIANTS = (CHECKOUT / "docs" / "invariants.md").read_text("utf-8")
HOW_MANY = {"PAY": 13, "SUB": 7, "AUTH": 5, "ADM": 5, "NFR": 3}

_by_name = pytest.mark.parametrize("page", DECISIONS, ids=lambda page: page.stem)


@_by_name
def test_a_decision_takes_one_page(page: Path) -> None:
    text = page.read_text("utf-8")
    assert len(text.splitlines()) <= 50
    assert len(text) <= 3000


@_by_name
def test_a_decision_says_why_and_what_it_costs(page: Path) -> None:
    text = page.read_text("utf-8")
    number = int(page.name[:4])
    assert text.startswith(f"# {number}. ")
    for part in ("Context", "Decision", "What it costs"):
        assert f"**{part}.**" in text


def test_decisions_are_numbered_without_gaps() -> None:
    assert [int(page.name[:4]) for page in DECISIONS] == list(range(1, len(DECISIONS) + 1))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", page.read_text("utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_every_requirement_has_its_row_once() -> None:
    rows = re.findall(r"^\| ([A-Z]+-\d+) \|", REQUIREMENTS, re.MULTILINE)
    assert rows == [f"{kind}-{number}" for kind, count in HOW_MANY.items() for number in range(1, count + 1)]


def test_what_shows_a_requirement_is_there() -> None:
    missing = []
    for path, test in re.findall(r"`(tests/[\w/.-]+)(?:::(\w+))?`", REQUIREMENTS):
        file = CHECKOUT / path
        if not file.exists() or (test and f"def {test}(" not in file.read_text("utf-8")):
            missing.append(f"{path}::{test}" if test else path)
    assert missing == []


def test_every_requirement_says_what_shows_it() -> None:
    rows = [line for line in REQUIREMENTS.splitlines() if re.match(r"\| [A-Z]+-\d+ \|", line)]
    assert [row for row in rows if len(row.split(" | ")) != 4 or not row.rstrip(" |").split(" | ")[-1]] == []


def test_every_invariant_that_is_cited_stands_on_its_page() -> None:
    known = set(re.findall(r"^(\d+)\. \*\*", INVARIANTS, re.MULTILINE))
    assert [int(number) for number in sorted(known, key=int)] == list(range(1, len(known) + 1))
    cited = {
        f"{name}: {number}"
        for name in tracked_files()
        if name.endswith((".py", ".md"))
        for one in re.findall(
            r"\binvariants?\s+(\d+(?:(?:, | and )\d+)*)", (CHECKOUT / name).read_text("utf-8"), re.IGNORECASE
        )
        for number in re.findall(r"\d+", one)
    }
    assert len(cited) > 50
    assert sorted(one for one in cited if one.rpartition(" ")[2] not in known) == []


def test_each_invariant_names_what_holds_it() -> None:
    told = re.split(r"^\d+\. ", INVARIANTS.partition("\n## ")[0], flags=re.MULTILINE)[1:]
    named = [re.findall(r"`(tests/[\w/]+\.py)`", one) for one in told]
    assert [len(files) for files in named] == [1] * len(told)
    assert [file for [file] in named if not (CHECKOUT / file).is_file()] == []
