"""The pages of documentation: short, complete, and pointing at what is there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from fastapi import FastAPI

from commands.app import add_commands
from domain.errors import RuleBroken
from domain.events import EventType
from infrastructure.http.problems import Problem
from queries.app import ROUTERS
from tests.architecture.checkout import CHECKOUT, tracked_files

DECISIONS = sorted((CHECKOUT / "docs" / "decisions").glob("*.md"))
PAGES = sorted([CHECKOUT / "README.md", *(CHECKOUT / "docs").rglob("*.md")])
REQUIREMENTS = (CHECKOUT / "docs" / "requirements.md").read_text("utf-8")
INVARIANTS = (CHECKOUT / "docs" / "invariants.md").read_text("utf-8")
API = (CHECKOUT / "docs" / "api.md").read_text("utf-8")
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


def _calls() -> Iterator[str]:
    app = FastAPI()
    add_commands(app, cast("Any", None))
    for router in ROUTERS:
        app.include_router(router)
    for path, methods in app.openapi()["paths"].items():
        yield from (f"{method.upper()} {_without_names(path)}" for method in methods)


def _without_names(path: str) -> str:
    return re.sub(r"{\w+}", "{}", path)


def test_the_integrators_page_names_every_call_and_no_other() -> None:
    named = re.findall(r"`((?:GET|POST|PATCH|DELETE) )(/(?:v1|internal|webhooks)\S*)`", API)
    assert {method + _without_names(path) for method, path in named} == set(_calls())


def _kinds_of(broken: type[RuleBroken]) -> Iterator[type[RuleBroken]]:
    for kind in broken.__subclasses__():
        yield kind
        yield from _kinds_of(kind)


def test_the_integrators_page_tells_every_code_with_its_status() -> None:
    rows = re.findall(r"^\| (`[a-z_`, ]+`) \| ([45]\d\d) \|", API, re.MULTILINE)
    told = {code: int(status) for codes, status in rows for code in re.findall(r"\w+", codes)}
    assert {code: Problem(code, "").status for code in told} == told
    made = {kind.code for kind in _kinds_of(RuleBroken) if kind.__module__.startswith(("domain.", "commands."))}
    for name in tracked_files():
        if name.startswith(("commands/", "queries/", "infrastructure/http/")):
            made |= set(re.findall(r"\bProblem\(\s*\"(\w+)\"", (CHECKOUT / name).read_text("utf-8")))
    assert sorted(made - set(told)) == []


def test_the_integrators_page_names_mails_by_events_that_there_are() -> None:
    told = re.findall(r"`((?:(?:payment|subscription|refund)\.[a-z_]+ ?)+)`", API.partition("\n## Mails")[2])
    assert len(told) > 10
    assert {event for events in told for event in events.split()} <= {event.value for event in EventType}
