"""What `billing simulate` does with its options."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from tests.simulation.report import print_history, print_report
from tests.simulation.run import replay, simulate


def run_simulation(months: int, seed: int, world: int | None, journal: Path | None, screen: Console) -> int:
    """Play and print; the status to end with: 0 where nothing was double, lost, stuck or wrong."""
    if world is not None:
        outcome = replay(seed, world)
        if not outcome.findings:
            screen.print(f"World {world} of seed {seed}: nothing is double, lost, stuck or wrong.")
            return 0
        print_history(outcome, screen)
        return 1
    totals = simulate(months, seed, journal=journal)
    print_report(totals, screen)
    return 1 if totals.failed else 0
