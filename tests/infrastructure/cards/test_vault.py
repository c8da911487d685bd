"""A card number is sealed for one row, opens nowhere else, and outlives changes of keys."""

from __future__ import annotations

import os
from uuid import UUID, uuid4

import pytest

from infrastructure.cards.vault import CannotOpen, CardVault, key_id_of

OLD, NEW = ("2026", os.urandom(32)), ("2027", os.urandom(32))
OWNER, CARD = uuid4(), uuid4()
NUMBER = b"5555555555554477"


def test_what_was_sealed_opens_again() -> None:
    vault = CardVault([OLD])
    blob = vault.seal(NUMBER, OWNER, CARD)
    assert vault.open(blob, OWNER, CARD) == NUMBER
    assert key_id_of(blob) == "2026"
    assert NUMBER not in blob
    assert vault.seal(NUMBER, OWNER, CARD) != blob


@pytest.mark.parametrize("secret", [b"", b"x", b"\x00" * 64 * 1024])
def test_secrets_of_any_length_are_sealed(secret: bytes) -> None:
    vault = CardVault([OLD])
    assert vault.open(vault.seal(secret, OWNER, CARD), OWNER, CARD) == secret


@pytest.mark.parametrize(("owner", "card"), [(uuid4(), CARD), (OWNER, uuid4()), (CARD, OWNER)])
def test_a_number_moved_to_another_row_opens_nowhere(owner: UUID, card: UUID) -> None:
    vault = CardVault([OLD])
    blob = vault.seal(NUMBER, OWNER, CARD)
    with pytest.raises(CannotOpen):
        vault.open(blob, owner, card)
    with pytest.raises(CannotOpen):
        CardVault([NEW, OLD]).rewrap(blob, owner, card)


def test_a_blob_altered_in_any_byte_does_not_open() -> None:
    vault = CardVault([OLD, NEW])
    blob = vault.seal(NUMBER, OWNER, CARD)
    for place in range(len(blob)):
        altered = blob[:place] + bytes([blob[place] ^ 1]) + blob[place + 1 :]
        with pytest.raises(CannotOpen):
            vault.open(altered, OWNER, CARD)


def test_a_blob_cut_anywhere_does_not_open() -> None:
    vault = CardVault([OLD])
    blob = vault.seal(NUMBER, OWNER, CARD)
    for length in range(len(blob)):
        with pytest.raises(CannotOpen):
            vault.open(blob[:length], OWNER, CARD)
    with pytest.raises(CannotOpen):
        vault.open(blob + b"x", OWNER, CARD)


def test_the_halves_of_two_blobs_make_none() -> None:
    vault = CardVault([OLD])
    first, second = vault.seal(NUMBER, OWNER, CARD), vault.seal(b"4111111111111111", OWNER, CARD)
    cut = 3 + 1 + 4 + 12 + 48
    with pytest.raises(CannotOpen):
        vault.open(first[:cut] + second[cut:], OWNER, CARD)


def test_a_change_of_keys_wraps_anew_without_touching_the_number() -> None:
    blob = CardVault([OLD]).seal(NUMBER, OWNER, CARD)
    both = CardVault([NEW, OLD])
    rewrapped = both.rewrap(blob, OWNER, CARD)
    assert key_id_of(rewrapped) == "2027"
    assert rewrapped[-(12 + len(NUMBER) + 16) :] == blob[-(12 + len(NUMBER) + 16) :]
    assert both.rewrap(rewrapped, OWNER, CARD) == rewrapped
    assert CardVault([NEW]).open(rewrapped, OWNER, CARD) == NUMBER
    with pytest.raises(CannotOpen):
        CardVault([NEW]).open(blob, OWNER, CARD)


def test_a_key_of_the_same_id_but_other_bytes_opens_nothing() -> None:
    blob = CardVault([OLD]).seal(NUMBER, OWNER, CARD)
    with pytest.raises(CannotOpen):
        CardVault([("2026", os.urandom(32))]).open(blob, OWNER, CARD)


def test_the_same_number_is_found_again_after_a_change_of_keys() -> None:
    stored = CardVault([OLD]).fingerprint("5555555555554477")
    after = CardVault([NEW, OLD])
    assert stored in after.fingerprints("5555555555554477")
    assert stored not in after.fingerprints("4111111111111111")
    assert after.fingerprint("5555555555554477") == after.fingerprints("5555555555554477")[0]


def test_fingerprints_tell_nothing_without_the_key_and_nothing_across_owners() -> None:
    fingerprint = CardVault([OLD]).fingerprint("5555555555554477")
    assert fingerprint != CardVault([("2026", os.urandom(32))]).fingerprint("5555555555554477")
    assert CardVault([OLD]).fingerprint("5555555555554477", OWNER) != fingerprint
    assert "5555" not in fingerprint.split(":")[0]


@pytest.mark.parametrize("keys", [[], [("", b"x" * 32)], [("a", b"x" * 31)], [OLD, OLD], [("a" * 33, b"x" * 32)]])
def test_unusable_keys_stop_the_start(keys: list[tuple[str, bytes]]) -> None:
    with pytest.raises(ValueError, match="key"):
        CardVault(keys)


def test_no_key_is_in_a_repr() -> None:
    vault = CardVault([("2026", b"0123456789abcdef0123456789abcdef")])
    assert "0123456789abcdef" not in repr(vault) + repr(vars(vault))
