"""What a run of the simulation prints: the same for the same seed, so nothing of the machine or its time."""

from __future__ import annotations

from collections import Counter

from rich.console import Console
from rich.table import Table

from tests.simulation.run import Totals
from tests.simulation.world import Outcome

_WORDS = ("double", "lost", "stuck", "wrong")


def print_report(totals: Totals, screen: Console) -> None:
    """Totals, and what was met on the way."""
    found = Counter(line.partition(":")[0] for outcome in totals.failed for line in outcome.findings)
    told = Table(title=f"{totals.months:,.0f} subscription-months, seed {totals.seed}".replace(",", " "))
    told.add_column("")
    told.add_column("", justify="right")
    for word in _WORDS:
        told.add_row(word, str(found[word]), style="red" if found[word] else "green")
    told.add_section()
    told.add_row("worlds", str(totals.worlds))
    for name in sorted(totals.counts):
        told.add_row(name, _spaced(totals.counts[name]))
    told.add_row("crashes", _spaced(sum(totals.crash_places.values())))
    told.add_row("places where a process died", str(len(totals.crash_places)))
    told.add_row("faults of the payment system", _spaced(sum(totals.faults.values())))
    told.add_section()
    for name in sorted(totals.faults):
        told.add_row(name, _spaced(totals.faults[name]))
    screen.print(told)
    screen.print(f"all of it: {totals.digest}", highlight=False, soft_wrap=True)
    for outcome in totals.failed:
        print_failure(outcome, screen)


def print_failure(outcome: Outcome, screen: Console) -> None:
    """The findings, and how to see them again."""
    seed, _, world = outcome.seed.partition("/")
    screen.print(f"\n[red]World {world} of seed {seed} failed, at {outcome.seen_at} of its time:[/red]")
    for line in outcome.findings[:20]:
        screen.print(f"  {line}", highlight=False, soft_wrap=True, markup=False)
    screen.print(f"again, and shorter: billing simulate --seed {seed} --world {world}", highlight=False)


def print_history(outcome: Outcome, screen: Console) -> None:
    """What has to happen for the failure, and nothing else."""
    print_failure(outcome, screen)
    screen.print("\nWhat has to happen for it:")
    for number, name in enumerate(outcome.history, 1):
        screen.print(f"  {number:3}. {name}", highlight=False, soft_wrap=True, markup=False)


def _spaced(number: int) -> str:
    return f"{number:,}".replace(",", " ")
