"""Public RSA keys with which tokens are checked, and where they come from."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from jose.backends.cryptography_backend import CryptographyRSAKey

from infrastructure.auth.errors import UnusableKey

ALGORITHM = "RS256"
_MIN_BITS, _MAX_BITS = 2048, 8192
_MAX_EXPONENT_BITS = 32  # a larger one makes every check slow, and nobody uses one
_MAX_PEM_BYTES = 64 * 1024
_MAX_PEM_KEYS = 4
_BLOCK = re.compile(r"-----BEGIN ([A-Z0-9 ]{1,40})-----.*?-----END \1-----", re.DOTALL)


@dataclass(frozen=True, slots=True, eq=False)
class VerifyingKey:
    """One key that is known to be public RSA. jose gets the object, never text that it would guess a kind for."""

    kid: str | None
    numbers: tuple[int, int]  # modulus and exponent: tells whether two keys are the same
    jose_key: CryptographyRSAKey

    @classmethod
    def of(cls, key: object, kid: str | None = None) -> VerifyingKey:
        """Raises UnusableKey for another kind of key and for one of an unsafe size."""
        if not isinstance(key, RSAPublicKey):
            raise UnusableKey("expected a public RSA key (tokens are signed with RS256)")
        if not _MIN_BITS <= key.key_size <= _MAX_BITS:
            raise UnusableKey(f"expected an RSA key of {_MIN_BITS} to {_MAX_BITS} bits, got {key.key_size}")
        numbers = key.public_numbers()
        if numbers.e.bit_length() > _MAX_EXPONENT_BITS:
            raise UnusableKey("expected an RSA key with a common exponent, such as 65537")
        return cls(kid, (numbers.n, numbers.e), CryptographyRSAKey(key, ALGORITHM))


class KeySource(Protocol):
    """Where the keys come from."""

    @property
    def generation(self) -> int:
        """Grows whenever a key goes or comes: what was believed under an earlier one is checked again."""
        ...

    async def current(self) -> None:
        """See that the keys are recent enough; raises KeysUnavailable where there are none."""
        ...

    async def candidates(self, kid: str | None) -> tuple[VerifyingKey, ...]:
        """The keys that may have signed a token with this `kid`; raises KeysUnavailable."""
        ...

    async def doubt(self, kid: str | None) -> bool:
        """Told that none of the candidates fits: whether it is worth asking for them again."""
        ...

    async def close(self) -> None: ...


class StaticKeys:
    """Keys that were configured as PEM; `kid` is not looked at."""

    generation = 0

    def __init__(self, keys: tuple[VerifyingKey, ...]) -> None:
        self._keys = keys

    @classmethod
    def from_pem(cls, text_or_path: str) -> StaticKeys:
        """PEM itself (also with `\\n` written out, as environment files do), or the path of a file that holds it.

        Public keys and certificates; several, while auth changes its key. Raises UnusableKey.
        """
        return cls(tuple(VerifyingKey.of(key) for key in _read_pem(_text_of(text_or_path))))

    async def current(self) -> None:
        return

    async def candidates(self, kid: str | None) -> tuple[VerifyingKey, ...]:
        return self._keys

    async def doubt(self, kid: str | None) -> bool:
        return False

    async def close(self) -> None:
        return


def _text_of(text_or_path: str) -> str:
    if "-----BEGIN" in text_or_path:
        return text_or_path.replace("\\n", "\n")
    try:
        with Path(text_or_path).open("rb") as file:
            data = file.read(_MAX_PEM_BYTES + 1)
    except (OSError, ValueError):
        # What was given may be a key pasted without its BEGIN line, so it is not repeated.
        raise UnusableKey("expected a PEM public key, or the path of a readable file with one") from None
    if len(data) > _MAX_PEM_BYTES:
        raise UnusableKey("the file is too large for a PEM public key")
    return data.decode("ascii", errors="replace")


def _read_pem(text: str) -> list[object]:
    if "PRIVATE KEY-----" in text:
        raise UnusableKey("this is a PRIVATE key: give the public one, and replace the key that was shown around")
    keys: list[object] = []
    for block in _BLOCK.finditer(text):
        pem = block[0].encode("ascii", errors="replace")
        try:
            if block[1] == "CERTIFICATE":
                keys.append(x509.load_pem_x509_certificate(pem).public_key())
            elif block[1] in {"PUBLIC KEY", "RSA PUBLIC KEY"}:
                keys.append(load_pem_public_key(pem))
            else:
                raise UnusableKey("expected a PEM public key or certificate, this is another kind of PEM")
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            if isinstance(error, UnusableKey):
                raise
            raise UnusableKey("the PEM public key or certificate can't be read") from None
    if not keys:
        raise UnusableKey("expected a PEM public key or certificate (-----BEGIN PUBLIC KEY-----)")
    if len(keys) > _MAX_PEM_KEYS:
        raise UnusableKey(f"expected at most {_MAX_PEM_KEYS} public keys")
    return keys
