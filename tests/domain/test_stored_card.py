"""A card and its CVC show nothing of themselves, however they are printed."""

from __future__ import annotations

import copy
import json
import pickle
from datetime import UTC, datetime
from uuid import UUID

import pytest

from domain.cards import CardInvalid, CardNumber, Cvc
from domain.stored_card import CardSecret, StoredCard

NUMBER = "5555555555554444"


def test_a_cvc_is_told_when_asked_and_never_shown() -> None:
    cvc = Cvc("739")
    assert cvc.reveal() == "739"
    assert "739" not in f"{cvc!r}{cvc}{[cvc]}"


def test_a_cvc_is_neither_copied_nor_written() -> None:
    cvc = Cvc("739")
    for write in (pickle.dumps, copy.copy, copy.deepcopy, json.dumps):
        with pytest.raises(TypeError) as caught:
            write(cvc)
        assert "739" not in str(caught.value)


def test_what_is_no_cvc_is_refused_unrepeated() -> None:
    with pytest.raises(CardInvalid) as caught:
        Cvc("73a")
    assert "73a" not in f"{caught.value}{caught.value.extra}"


@pytest.mark.parametrize("holder", [None, "АННА К", 'ANNA "K"'])
def test_a_secret_is_read_back_as_it_was_written_and_not_shown(holder: str | None) -> None:
    secret = CardSecret(CardNumber(NUMBER), holder)
    assert CardSecret.from_bytes(secret.to_bytes()) == secret
    assert NUMBER not in repr(secret)
    assert holder is None or holder not in repr(secret)


def test_a_removed_card_has_no_secret() -> None:
    at = datetime(2027, 1, 1, tzinfo=UTC)
    card = StoredCard(UUID(int=1), UUID(int=2), "555555", "4444", 12, 2030, at, "k1:ab", b"sealed", "k1")
    assert "k1:ab" not in repr(card)
    assert "sealed=" not in repr(card)

    card.remove(at)

    assert (card.removed_at, card.fingerprint, card.sealed, card.key_id) == (at, None, None, None)
