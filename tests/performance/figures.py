"""What a row of the table says: the floor and ours, taken by turns in one run, and what was aimed at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of several repetitions; `unit` stands behind it."""

    values: tuple[float, ...]
    unit: str = ""

    @property
    def middle(self) -> float:
        return median(self.values)

    def __str__(self) -> str:
        if len(self.values) == 1:
            return f"{shown(self.middle)}{self.unit}"
        return f"{shown(self.middle)}{self.unit} ({shown(min(self.values))}–{shown(max(self.values))})"


@dataclass(frozen=True, slots=True)
class Target:
    """`found` as it is read, `aim` as `targets` words it."""

    found: str
    aim: str
    met: bool


@dataclass(frozen=True, slots=True)
class Result:
    """`floor` None where nothing is compared with; `notes`: what a reader has to know to believe it."""

    what: str
    floor: Figure | None
    ours: Figure
    targets: Sequence[Target] = field(default_factory=tuple)
    notes: str = ""


def at_least(name: str, figure: Figure, least: float) -> Target:
    return Target(f"{name} {figure}", f"≥ {shown(least)}{figure.unit}", figure.middle >= least)


def at_most(name: str, figure: Figure, most: float) -> Target:
    return Target(f"{name} {figure}", f"≤ {shown(most)}{figure.unit}", figure.middle <= most)


def of_floor(ours: Sequence[float], floor: Sequence[float], least: float) -> Target:
    """Each repetition against the floor that was taken beside it."""
    ratio = Figure(tuple(one / beside for one, beside in zip(ours, floor, strict=True)))
    return at_least("of the floor:", ratio, least)


def shown(value: float) -> str:
    """Three figures, and no fraction of what is large."""
    if value >= 100:
        return f"{value:,.0f}".replace(",", " ")
    return f"{value:.3g}"
