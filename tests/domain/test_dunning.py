"""When a refused renewal is tried again (SUB-5)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from domain.dunning import AskThePerson, GiveUp, TryAgain, after_refusal
from domain.rules import Rules

FIRST = datetime(2027, 1, 31, 9, 0, tzinfo=UTC)
RULES = Rules()


def day(days: float) -> datetime:
    return FIRST + timedelta(days=days)


@pytest.mark.parametrize(
    ("tries", "tried", "learned", "follows"),
    [
        (0, 0, 0, TryAgain(day(1))),
        (1, 1, 1, TryAgain(day(3))),
        (3, 5, 5, TryAgain(day(7))),
        (4, 7, 7, GiveUp()),
        (1, 1, 3.5, TryAgain(day(3))),
        (3, 5, 7.5, TryAgain(day(7))),
        (1, 4, 4, TryAgain(day(5))),
        (1, 8, 8, GiveUp()),
    ],
    ids=[
        "the first refusal",
        "a try",
        "the last but one",
        "the last",
        "a refusal that is learned after the next try was due takes that one not away",
        "nor the last",
        "of two that downtime has overslept one is made",
        "of all that it has overslept too",
    ],
)
def test_tries_stand_at_their_days(
    tries: int, tried: float, learned: float, follows: TryAgain | AskThePerson | GiveUp
) -> None:
    assert after_refusal("insufficient_funds", FIRST, tries, day(tried), day(learned), RULES) == follows


def test_the_second_of_few_tries_is_made_although_the_first_was_answered_late() -> None:
    assert after_refusal("general_decline", FIRST, 1, day(1), day(3.1), RULES) == TryAgain(day(3))


def test_who_has_to_help_has_their_days_from_when_it_is_known() -> None:
    asked = after_refusal("card_expired", FIRST, 1, day(1), day(3), RULES)
    assert asked == AskThePerson(until=day(3) + RULES.patience_after_asking)
