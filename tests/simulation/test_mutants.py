"""The net has no holes where we know of them: what is broken on purpose is found. All of them: `python -m
tests.simulation.mutants`; here those that show soonest, and that every patch still fits the code."""

from __future__ import annotations

import pytest

from tests.simulation.mutants import Mutant, look_for, mutants, why_it_does_not_fit

_SOONEST = ("01", "03", "05", "11")


def test_there_are_at_least_ten() -> None:
    assert len(mutants()) >= 10


@pytest.mark.parametrize("mutant", mutants(), ids=lambda one: one.name)
def test_the_patch_fits_the_code(mutant: Mutant) -> None:
    assert why_it_does_not_fit(mutant) == ""


@pytest.mark.parametrize(
    "mutant", [one for one in mutants() if one.name.startswith(_SOONEST)], ids=lambda one: one.name
)
def test_the_simulation_finds(mutant: Mutant) -> None:
    found = look_for(mutant)
    assert found.as_it_should, found.finding
