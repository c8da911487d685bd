"""The key of the local auth service, and the tokens made with it."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import time
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any
from uuid import uuid4

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from jose import jwk, jwt
from jose.backends.base import Key

_TEN_YEARS_S = 10 * 366 * 24 * 3600


def signing_key(data_dir: Path) -> str:
    """The private key in PEM; made at the first call, together with `public.pem` beside it.

    Several processes may call it at once: the key that is in place first is everybody's.
    """
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = data_dir / "private.pem"
    if not path.exists():
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        draft = data_dir / f".private-{uuid4().hex}.pem"
        try:
            _write(draft, pem, 0o600)
            path.hardlink_to(draft)  # unlike a rename it never replaces a key that tokens were made with
        except FileExistsError:
            pass
        finally:
            draft.unlink(missing_ok=True)
    private_pem = path.read_text("ascii")
    public_pem = _load(private_pem).public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    public_path = data_dir / "public.pem"
    if not public_path.exists() or public_path.read_bytes() != public_pem:
        _put(public_path, public_pem, 0o644)
    return private_pem


def issue_token(private_pem: str, *, sub: str, ttl_s: float = 3600, **claims: Any) -> str:
    """An RS256 JWT for `sub` (a person's UUID or a service's name) that expires in `ttl_s` seconds of the system clock.

    Further claims (`email`, `name`, `locale`, `zoneinfo`, `scope`, `iss`, `aud`, …) as given; None leaves one out.
    """
    now = int(time.time())
    body = {"sub": sub, "iat": now, "exp": now + int(ttl_s), "jti": uuid4().hex, **claims}
    kept = {name: value for name, value in body.items() if value is not None}
    headers = {"kid": public_jwk(private_pem)["kid"]}
    return jwt.encode(kept, _signer(private_pem), algorithm="RS256", headers=headers)


def write_service_token(
    data_dir: Path,
    path: Path,
    claims: Mapping[str, str | None] = MappingProxyType({}),
    *,
    sub: str = "billing",
    scope: str = "billing:internal",
) -> None:
    """A token of ours: the service's, by which it asks about persons, unless told; a new one at each start."""
    token = issue_token(signing_key(data_dir), sub=sub, scope=scope, ttl_s=_TEN_YEARS_S, **claims)
    _put(path, token.encode("ascii"), 0o600)


def public_jwk(private_pem: str) -> dict[str, str]:
    """The public half as it is published; its `kid` is the thumbprint of RFC 7638."""
    numbers = _load(private_pem).public_key().public_numbers()
    required = {"e": _encoded(numbers.e), "kty": "RSA", "n": _encoded(numbers.n)}
    digest = hashlib.sha256(json.dumps(required, separators=(",", ":"), sort_keys=True).encode()).digest()
    return {**required, "use": "sig", "alg": "RS256", "kid": base64.urlsafe_b64encode(digest).rstrip(b"=").decode()}


# A key is checked when it is read, which takes fifty times as long as to sign with it.
@lru_cache(maxsize=8)
def _signer(private_pem: str) -> Key:
    return jwk.construct(private_pem, "RS256")


@lru_cache(maxsize=8)
def _load(private_pem: str) -> rsa.RSAPrivateKey:
    key = load_pem_private_key(private_pem.encode("ascii"), password=None)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise TypeError("the local auth service's key is not RSA")
    return key


def _encoded(number: int) -> str:
    data = number.to_bytes((number.bit_length() + 7) // 8, "big")
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def _put(path: Path, data: bytes, mode: int) -> None:
    """In the place of what is there: whoever reads it finds the one or the other, whole."""
    draft = path.with_name(f".{path.name}-{uuid4().hex}")
    _write(draft, data, mode)
    draft.replace(path)


def _write(path: Path, data: bytes, mode: int) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
