"""Seals card numbers, and one-time payment tokens that may have to be sent again (PAY-13).

Envelope encryption: each secret has a random data key of its own (AES-256-GCM), and that key is wrapped by a
key-encryption key with an id. So a key is changed by wrapping 32 bytes anew; the secret itself is not opened. Owner and
id of the row are associated data of both layers: a blob copied into another row, or another person's, opens nowhere.

A blob is
    magic "CV" | version 1 | length of key id | key id | wrap nonce 12 | wrapped data key 48 | nonce 12 | sealed secret
and everything before the wrap nonce is authenticated as well.

Fingerprints find duplicates. They are an HMAC, since 10^15 numbers are soon tried through a bare hash, and have to
outlive rotation: if there were one key for them, a new one would lose every stored fingerprint, and the numbers had to
be opened to make them again. So each key-encryption key derives a fingerprint key of its own (HKDF), a fingerprint
names the key it was made with, and a duplicate is looked for under all keys that are configured: `fingerprints` gives
the candidates, the first of which is stored. A key may leave the settings once no row names it, in a blob or a
fingerprint.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_MAGIC: Final = b"CV\x01"
_NONCE, _WRAPPED, _TAG, _KEY = 12, 48, 16, 32
_MAX_KEY_ID: Final = 32
_MAX_SECRET: Final = 64 * 1024
_FINGERPRINT = b"cinema-billing card fingerprint v1"
_WRAPPING = b"cinema-billing data key wrapping v1"


class CannotOpen(ValueError):  # noqa: N818 - reads as what happened
    """The blob is not what it should be: altered, of another row, or under a key that is not configured."""


@dataclass(frozen=True, slots=True, repr=False)
class _Keys:
    wrapping: AESGCM
    fingerprint: bytes


@dataclass(frozen=True, slots=True, repr=False)
class _Parts:
    head: bytes
    key_id: str
    wrap_nonce: bytes
    wrapped: bytes
    sealed: bytes  # nonce and ciphertext


class CardVault:
    """`keys`: id → 32 bytes, the first of which seals; the others still open. No key is in a repr."""

    def __init__(self, keys: Sequence[tuple[str, bytes]]) -> None:
        if not keys:
            raise ValueError("a vault needs a key")
        self._keys: dict[str, _Keys] = {}
        for key_id, key in keys:
            if not 0 < len(key_id.encode()) <= _MAX_KEY_ID or len(key) != _KEY or key_id in self._keys:
                raise ValueError("each key has an id of its own, at most 32 bytes long, and 32 bytes")
            # One purpose a key: neither the wrapping nor the fingerprints use the configured bytes themselves.
            self._keys[key_id] = _Keys(AESGCM(_derived(key, _WRAPPING)), _derived(key, _FINGERPRINT))
        self._current = keys[0][0]

    @property
    def current_key_id(self) -> str:
        return self._current

    def seal(self, plaintext: bytes, owner: UUID, id: UUID) -> bytes:  # noqa: A002 - the row's id is its name
        """Encrypt for one row; the same secret sealed twice gives two blobs."""
        if len(plaintext) > _MAX_SECRET:
            raise ValueError("too large for a secret")
        data_key, nonce = os.urandom(_KEY), os.urandom(_NONCE)
        sealed = nonce + AESGCM(data_key).encrypt(nonce, plaintext, _row(owner, id))
        return self._wrap(data_key, sealed, owner, id)

    def open(self, blob: bytes, owner: UUID, id: UUID) -> bytes:  # noqa: A002 - as above
        """Raises CannotOpen."""
        parts = _split(blob)
        data_key = self._unwrap(parts, owner, id)
        try:
            return AESGCM(data_key).decrypt(parts.sealed[:_NONCE], parts.sealed[_NONCE:], _row(owner, id))
        except InvalidTag:
            raise CannotOpen("the secret was altered, or belongs to another row") from None

    def rewrap(self, blob: bytes, owner: UUID, id: UUID) -> bytes:  # noqa: A002 - as above
        """The same sealed secret under the current key; the blob itself where it is already. Raises CannotOpen."""
        parts = _split(blob)
        if parts.key_id == self._current:
            return blob
        return self._wrap(self._unwrap(parts, owner, id), parts.sealed, owner, id)

    def fingerprint(self, number: str, owner: UUID | None = None) -> str:
        """What is stored beside a number to find it again: `key id:hex`. With `owner`, of that owner's cards only."""
        return self._fingerprint(self._current, number, owner)

    def fingerprints(self, number: str, owner: UUID | None = None) -> list[str]:
        """All fingerprints that the same number may be stored under, the current one first."""
        others = [key_id for key_id in self._keys if key_id != self._current]
        return [self._fingerprint(key_id, number, owner) for key_id in (self._current, *others)]

    def _fingerprint(self, key_id: str, number: str, owner: UUID | None) -> str:
        message = (owner.bytes if owner else b"") + b"|" + number.encode("ascii")
        return f"{key_id}:{hmac.new(self._keys[key_id].fingerprint, message, hashlib.sha256).hexdigest()}"

    def _wrap(self, data_key: bytes, sealed: bytes, owner: UUID, row_id: UUID) -> bytes:
        key_id = self._current.encode()
        head = _MAGIC + bytes([len(key_id)]) + key_id
        nonce = os.urandom(_NONCE)
        wrapped = self._keys[self._current].wrapping.encrypt(nonce, data_key, head + _row(owner, row_id))
        return head + nonce + wrapped + sealed

    def _unwrap(self, parts: _Parts, owner: UUID, row_id: UUID) -> bytes:
        keys = self._keys.get(parts.key_id)
        if keys is None:
            raise CannotOpen("it was sealed under a key that is not configured")
        try:
            return keys.wrapping.decrypt(parts.wrap_nonce, parts.wrapped, parts.head + _row(owner, row_id))
        except InvalidTag:
            raise CannotOpen("its key was altered, or it belongs to another row") from None


def key_id_of(blob: bytes) -> str:
    """Under which key a blob is, for finding those to be wrapped anew; raises CannotOpen."""
    return _split(blob).key_id


def _split(blob: bytes) -> _Parts:
    start = len(_MAGIC)
    if not blob.startswith(_MAGIC) or len(blob) <= start:
        raise CannotOpen("not a sealed secret of a known version")
    end = start + 1 + blob[start]
    if len(blob) < end + _NONCE + _WRAPPED + _NONCE + _TAG:
        raise CannotOpen("the sealed secret was cut short")
    try:
        key_id = blob[start + 1 : end].decode()
    except UnicodeDecodeError:
        raise CannotOpen("the key's id can't be read") from None
    wrapped_at = end + _NONCE
    return _Parts(blob[:end], key_id, blob[end:wrapped_at], *_cut(blob[wrapped_at:], _WRAPPED))


def _cut(data: bytes, at: int) -> tuple[bytes, bytes]:
    return data[:at], data[at:]


def _row(owner: UUID, row_id: UUID) -> bytes:
    return owner.bytes + row_id.bytes


def _derived(key: bytes, purpose: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=_KEY, salt=None, info=purpose).derive(key)
