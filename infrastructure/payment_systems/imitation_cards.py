"""The test shop's cards: what each number comes to (test_cards.json, as YooKassa documents them)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from domain.payment_system import Cancellation

_FILE = Path(__file__).with_name("test_cards.json")


@dataclass(frozen=True, slots=True)
class CardOutcome:
    """What becomes of a charge of one card: `decline` None means money; `three_ds`: the bank asks the person first."""

    three_ds: bool
    decline: Cancellation | None = None


def outcome_of(number: str) -> CardOutcome:
    """A number that the test shop does not know is declined as a wrong one, as its bank would."""
    return _outcomes().get(number) or CardOutcome(False, Cancellation("invalid_card_number", "payment_network"))


@cache
def _outcomes() -> dict[str, CardOutcome]:
    cards = json.loads(_FILE.read_text("utf-8"))
    outcomes = {card["number"]: CardOutcome(bool(card["three_ds"])) for card in cards["success"]}
    for decline in cards["declines"]:
        why = Cancellation(decline["reason"], decline["party"])
        outcomes |= {decline[network]: CardOutcome(False, why) for network in ("mastercard", "visa", "mir")}
    return outcomes
