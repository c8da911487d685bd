"""The simulation on code that was broken on purpose: each of `mutants/*.patch` has to be found, or the net has a hole.

    python -m tests.simulation.mutants [NAME …]     all of them, or those whose names begin so

A patch's first lines say what it breaks, in what words of the auditor that has to show, and which world shows it. The
patched code runs in a copy of the checkout; nothing here is touched.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

CHECKOUT = Path(__file__).parents[2]
FOLDER = Path(__file__).with_name("mutants")
_KEPT_OUT = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info", "node_modules", "build")
_HEAD = re.compile(
    r"breaks: (?P<breaks>.+)\nshows as: (?P<shows>.+)\n"
    r"found by: seed (?P<seed>\d+), world (?P<world>\d+)(, plan changes (?P<plan_changes>0\.\d+))?\n"
)


@dataclass(frozen=True, slots=True)
class Mutant:
    """`shows`: a word that one of the findings must have. `seed`, `world`: where it is known to be found;
    `plan_changes`: how likely people are to change plans there.
    """

    name: str
    patch: Path
    breaks: str
    shows: str
    seed: int
    world: int
    plan_changes: float


@dataclass(frozen=True, slots=True)
class Found:
    """What the simulation said of a mutant: its first finding, or None where it saw nothing."""

    mutant: Mutant
    finding: str | None

    @property
    def as_it_should(self) -> bool:
        return self.finding is not None and re.search(self.mutant.shows, self.finding) is not None


def mutants() -> list[Mutant]:
    """All patches, by name; a head that cannot be read is a mistake in the patch."""
    found = []
    for patch in sorted(FOLDER.glob("*.patch")):
        head = _HEAD.match(patch.read_text("utf-8"))
        assert head is not None, f"{patch.name} does not begin with what it breaks, how it shows and where it is found"
        where = (int(head["seed"]), int(head["world"]), float(head["plan_changes"] or 0))
        found.append(Mutant(patch.stem, patch, head["breaks"], head["shows"], *where))
    return found


@contextmanager
def patched(mutant: Mutant) -> Iterator[Path]:
    """A copy of the checkout with the patch in it."""
    with tempfile.TemporaryDirectory(prefix="mutant-") as folder:
        copy = Path(folder) / "checkout"
        shutil.copytree(CHECKOUT, copy, ignore=_KEPT_OUT)
        _git_apply(mutant, copy).check_returncode()
        yield copy


def why_it_does_not_fit(mutant: Mutant) -> str:
    """What git says where the patch cannot be applied to this checkout; empty where it can."""
    return _git_apply(mutant, CHECKOUT, "--check").stderr


def _git_apply(mutant: Mutant, folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 -- our own patch
        ["git", "apply", *options, "--whitespace=nowarn", str(mutant.patch)],  # noqa: S607 -- git of whoever works here
        cwd=folder,
        check=False,
        capture_output=True,
        text=True,
    )


def look_for(mutant: Mutant) -> Found:
    """Play the world that is known to show it, on the patched code, in a process of its own."""
    world = (str(mutant.seed), str(mutant.world), str(mutant.plan_changes))
    with patched(mutant) as copy:
        played = subprocess.run(  # noqa: S603 -- our own interpreter and module
            [sys.executable, "-m", "tests.simulation.play_one", *world],
            cwd=copy,
            check=True,
            capture_output=True,
            text=True,
            timeout=600,
        )
    lines = played.stdout.splitlines()
    fitting = [line for line in lines if re.search(mutant.shows, line)]
    return Found(mutant, next(iter(fitting or lines), None))


def main(names: list[str]) -> int:
    screen = Console(soft_wrap=True)
    chosen = [one for one in mutants() if not names or one.name.startswith(tuple(names))]
    table = Table(title="code broken on purpose, and how the simulation saw it")
    for column in ("mutant", "what is broken", "seed/world", "found"):
        table.add_column(column)
    missed = 0
    with Console(stderr=True).status("") as status:
        for mutant in chosen:
            status.update(f"{mutant.name}: {mutant.breaks}")
            found = look_for(mutant)
            missed += not found.as_it_should
            told = found.finding or "NOT FOUND"
            table.add_row(mutant.name, mutant.breaks, f"{mutant.seed}/{mutant.world}", told[:160])
    screen.print(table)
    return 1 if missed or not chosen else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
