"""A run of reconciliation as people read it, on a terminal or in a file."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from domain.reconciliation import Outcome
from jobs.reconcile import Found, Run

_WIDE = 240
"""Columns where nobody's terminal says how many: each finding stays on one line."""


def print_run(run: Run) -> None:
    """The findings as a table on standard output, then the totals in one line."""
    screen = Console(highlight=False)
    if not screen.is_terminal:
        screen = Console(highlight=False, width=_WIDE)
    if run.found:
        screen.print(_table(run.found))
    screen.print(totals(run), soft_wrap=True, markup=False)


def totals(run: Run) -> str:
    """`3 days, 1 240 payments, 12 refunds compared: 4 found, 1 repaired, 3 for a person; 2 known …`, on one line."""
    repaired, for_person, gone = (run.count(each) for each in (Outcome.REPAIRED, Outcome.CASE, Outcome.GONE))
    compared = f"{_some(run.days, 'day')}, {_some(run.payments, 'payment')}, {_some(run.refunds, 'refund')} compared"
    found = f"{_spaced(repaired + for_person)} found, {_spaced(repaired)} repaired, {_spaced(for_person)} for a person"
    solved = f", {_spaced(gone)} of before solved" if gone else ""
    return f"{compared}: {found}{solved}; {_spaced(run.known_open)} known from before are open"


def _table(found: list[Found]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("day", "kind", "payment system's id", "our id", "there", "here", "what was done"):
        table.add_column(column, overflow="fold")
    for each in found:
        finding = each.finding
        cells = (
            f"{each.day} {each.payment_system}",
            finding.kind.value.removeprefix("reconcile_"),
            finding.provider_id or "–",
            str(finding.our_id) if finding.our_id else "–",
            finding.theirs,
            finding.ours,
            finding.done,
        )
        table.add_row(*map(escape, cells))
    return table


def _some(count: int, what: str) -> str:
    return f"{_spaced(count)} {what}" if count == 1 else f"{_spaced(count)} {what}s"


def _spaced(count: int) -> str:
    return f"{count:,}".replace(",", " ")
