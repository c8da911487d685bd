"""The fault matrix as a table in the test report: operations by faults, from the results of this very run."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Protocol

OPERATIONS = ("first payment", "renewal", "refund")

FAULTS = (
    "no answer before the charge",
    "no answer after the charge",
    "no answer, but notified",
    "reset before the charge",
    "reset after the charge",
    "500 before the charge",
    "500 after the charge",
    "429 with Retry-After",
    "502 with HTML",
    "truncated JSON",
    "slow beyond the deadline",
    "202 processing",
    "lost notification",
    "late notification",
    "doubled notification",
    "reordered notification",
    "forged notification",
)

NOT_RUN = "–"
_CELL = re.compile(r"/test_fault_matrix\.py::\w+\[(?P<operation>[^\]]+?) x (?P<fault>[^\]]+)\]$")

Cell = tuple[str, str]


class Report(Protocol):
    """What is read of pytest's reports: one each for a test's set-up, itself and what comes after it."""

    @property
    def nodeid(self) -> str: ...
    @property
    def when(self) -> str | None: ...
    @property
    def outcome(self) -> str: ...


def cell_id(operation: str, fault: str) -> str:
    """What a cell's test is called; pytest would write the sign of multiplication as an escape."""
    return f"{operation} x {fault}"


def results(reports: Iterable[Report]) -> dict[Cell, str]:
    """`ok` or `FAIL` of each cell that ran; a set-up or an end that fails is a failure too."""
    found: dict[Cell, str] = {}
    for report in reports:
        match = _CELL.search(report.nodeid)
        if match is None:
            continue
        cell = match["operation"], match["fault"]
        if report.outcome == "failed":
            found[cell] = "FAIL"
        elif report.outcome == "passed" and report.when == "call":
            found.setdefault(cell, "ok")
    return found


def table(found: Mapping[Cell, str]) -> list[str]:
    """One line a fault, one column an operation."""
    first = max(len(fault) for fault in FAULTS)
    lines = ["  ".join([" " * first, *OPERATIONS])]
    for fault in FAULTS:
        cells = (found.get((operation, fault), NOT_RUN).ljust(len(operation)) for operation in OPERATIONS)
        lines.append("  ".join([fault.ljust(first), *cells]).rstrip())
    ok = sum(result == "ok" for result in found.values())
    lines.append(f"{ok} of {len(OPERATIONS) * len(FAULTS)} cells ok, {len(found) - ok} failed")
    return lines
