"""The table of the fault matrix says what happened, and no more than that."""

from __future__ import annotations

from dataclasses import dataclass

from tests.scenarios.fault_table import FAULTS, OPERATIONS, cell_id, results, table


@dataclass(frozen=True)
class _Report:
    nodeid: str
    when: str | None
    outcome: str


def _of(operation: str, fault: str, **stages: str) -> list[_Report]:
    nodeid = f"tests/scenarios/test_fault_matrix.py::test_it[{cell_id(operation, fault)}]"
    return [_Report(nodeid, when, outcome) for when, outcome in stages.items()]


def test_a_cell_is_ok_only_where_its_test_ran_and_nothing_of_it_failed() -> None:
    reports = [
        *_of("renewal", "502 with HTML", setup="passed", call="passed", teardown="passed"),
        *_of("refund", "502 with HTML", setup="passed", call="passed", teardown="failed"),
        *_of("refund", "truncated JSON", setup="failed"),
        *_of("renewal", "truncated JSON", setup="skipped"),
        _Report("tests/scenarios/test_refund.py::test_x[renewal x lost notification]", "call", "passed"),
    ]
    assert results(reports) == {
        ("renewal", "502 with HTML"): "ok",
        ("refund", "502 with HTML"): "FAIL",
        ("refund", "truncated JSON"): "FAIL",
    }


def test_a_cell_that_did_not_run_is_shown_as_such() -> None:
    lines = table({("renewal", "502 with HTML"): "ok", ("refund", "lost notification"): "FAIL"})
    assert lines[1 + FAULTS.index("502 with HTML")].split()[-3:] == ["–", "ok", "–"]
    assert lines[1 + FAULTS.index("lost notification")].split()[-3:] == ["–", "–", "FAIL"]
    assert sum(line.count("–") for line in lines) == len(FAULTS) * len(OPERATIONS) - 2
    assert lines[-1] == f"1 of {len(FAULTS) * len(OPERATIONS)} cells ok, 1 failed"
