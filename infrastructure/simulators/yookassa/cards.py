"""The test shop's cards: what each of them does. Numbers come in, only masks and behaviours go out."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypedDict

_SOURCE = Path(__file__).resolve().parents[2] / "payment_systems" / "test_cards.json"

_NETWORKS = {
    "Mastercard": "MasterCard",
    "Visa": "Visa",
    "Visa Electron": "Visa",
    "Mir": "Mir",
    "AmEx": "AmericanExpress",
    "JCB": "JCB",
    "Diners": "DinersClub",
}


class Decline(TypedDict):
    """Why and by whom a payment is canceled."""

    party: str
    reason: str


class Card(TypedDict):
    """All that is kept of a card: no number, no CSC."""

    first6: str
    last4: str
    expiry_month: str  # 01–12
    expiry_year: str  # four digits
    card_type: str
    three_ds: bool
    decline: Decline | None  # None: payments succeed


class BadCardError(ValueError):
    """The data cannot be a card's; `field` is number, expiry or csc."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True)
class _Known:
    network: str
    three_ds: bool
    decline: Decline | None


@cache
def _known() -> dict[str, _Known]:
    source = json.loads(_SOURCE.read_text(encoding="utf-8"))
    cards: dict[str, _Known] = {}
    for row in source["success"]:
        cards[row["number"]] = _Known(_NETWORKS.get(row["network"], "Unknown"), bool(row["three_ds"]), None)
    for row in source["declines"]:
        decline = Decline(party=row["party"], reason=row["reason"])
        # The bank's step can only fail where it takes place.
        three_ds = row["reason"] == "3d_secure_failed"
        for field, network in (("mastercard", "MasterCard"), ("visa", "Visa"), ("mir", "Mir")):
            cards[row[field]] = _Known(network, three_ds, decline)
    return cards


def party_of(reason: str) -> str:
    """Who cancels for that reason where nobody says otherwise."""
    if reason == "canceled_by_merchant":
        return "merchant"
    own = {"permission_revoked", "expired_on_confirmation", "expired_on_capture", "internal_timeout"}
    own |= {"country_forbidden", "deal_expired"}
    return "yoo_money" if reason in own else "payment_network"


def refund_party_of(reason: str) -> str:
    """The same for a refund, where the parties are others."""
    return (
        "refund_network" if reason in {"rejected_by_payee", "rejected_by_timeout", "general_decline"} else "yoo_money"
    )


def luhn(number: str) -> bool:
    total = 0
    for place, digit in enumerate(reversed(number)):
        value = int(digit) * (2 if place % 2 else 1)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def read_card(number: str, month: str, year: str, csc: str | None, present: tuple[int, int]) -> Card:
    """Look a card up. `present` is (year, month) by the service's clock; raises BadCardError.

    A number that no test card has is declined as `invalid_card_number`, as a test shop does.
    """
    digits = number.replace(" ", "")
    if not (digits.isascii() and digits.isdigit() and 12 <= len(digits) <= 19 and luhn(digits)):
        raise BadCardError("number", "Card number is incorrect")
    years = year if len(year) == 4 else f"20{year}"
    if not (month.isascii() and month.isdigit() and years.isascii() and years.isdigit() and 1 <= int(month) <= 12):
        raise BadCardError("expiry", "Expiry date is incorrect")
    if (int(years), int(month)) < present:
        raise BadCardError("expiry", "Card has expired")
    if csc is not None and not (csc.isascii() and csc.isdigit() and 3 <= len(csc) <= 4):
        raise BadCardError("csc", "CSC is incorrect")
    unknown = _Known("Unknown", False, Decline(party="payment_network", reason="invalid_card_number"))
    known = _known().get(digits, unknown)
    return Card(
        first6=digits[:6],
        last4=digits[-4:],
        expiry_month=f"{int(month):02d}",
        expiry_year=years,
        card_type=known.network,
        three_ds=known.three_ds,
        decline=known.decline,
    )


def expired(card: Card, present: tuple[int, int]) -> bool:
    return (int(card["expiry_year"]), int(card["expiry_month"])) < present
