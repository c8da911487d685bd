"""What `billing bench` does with its options."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from infrastructure.local.checkout import CHECKOUT
from infrastructure.local.elasticsearch_home import NoElasticsearchError
from infrastructure.local.server import DidNotStartError
from tests.performance import reads, starting, writes
from tests.performance.figures import Result, Target
from tests.performance.place import Place

Row = Callable[[Place], Result]
ROWS: Final[dict[str, Row]] = {
    "newest-page": reads.newest_page,
    "older-pages": reads.older_pages,
    "active-function": reads.active_function,
    "active-http": reads.active_over_http,
    "subscribe": writes.subscribe,
    "renewals": writes.renewals,
    "renewals-http": writes.renewals_over_http,
    "start": starting.starting,
}
_WRITTEN: Final = CHECKOUT / "docs" / "performance.md"


def run_bench(names: Sequence[str], seconds: float, screen: Console) -> int:
    """Take the rows, print the table; all of them together are written down too. 1 where a target was missed."""
    chosen = list(names) or list(ROWS)
    results: list[Result] = []
    not_taken: list[str] = []
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Place(seconds) as place, Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("", total=len(chosen))
        for name in chosen:
            progress.update(task, description=name)
            try:
                results.append(ROWS[name](place))
            except (RuntimeError, DidNotStartError, NoElasticsearchError) as why:
                not_taken.append(f"{name} could not be taken: {why}")
            progress.advance(task)
    screen.print(_on_screen(results))
    for line in not_taken:
        screen.print(line, markup=False)
    if not names and not not_taken:
        _write(results, seconds, _WRITTEN)
        screen.print(f"written to {_WRITTEN.relative_to(CHECKOUT)}")
    return 0 if not not_taken and all(target.met for result in results for target in result.targets) else 1


def _on_screen(results: Sequence[Result]) -> Table:
    table = Table("what", "floor", "ours", "found, and aimed at", show_lines=True)
    for result in results:
        lines = [f"[{'green' if target.met else 'red'}]{_told(target)}[/]" for target in result.targets]
        table.add_row(
            result.what, str(result.floor or "–"), str(result.ours), "\n".join([*lines, f"[dim]{result.notes}[/]"])
        )
    return table


def _told(target: Target) -> str:
    return f"{target.found.strip()}, aim {target.aim}: {'met' if target.met else 'missed'}"


def _write(results: Sequence[Result], seconds: float, path: Path) -> None:
    head, _, _ = path.read_text().partition(_MARK)
    rows = [
        f"| {result.what} | {result.floor or '–'} | {result.ours} "
        f"| {'<br>'.join(_told(one) for one in result.targets)} | {result.notes} |"
        for result in results
    ]
    lines = [
        f"{_MARK}{datetime.now(UTC):%d %B %Y}, {_machine()}; `billing bench --seconds {seconds:g}`. Middle of three",
        "repetitions, the lowest and the highest in brackets.",
        "",
        "| what | floor | ours | found, and aimed at | how |",
        "|---|---|---|---|---|",
        *rows,
    ]
    path.write_text(head + "\n".join(lines) + "\n")


_MARK: Final = "## The table\n"


def _machine() -> str:
    """As far as it matters for the figures."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    return f"{os.cpu_count()} cores of {model}, Python {platform.python_version()}"
