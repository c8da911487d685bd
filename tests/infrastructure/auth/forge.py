"""Makes tokens of every kind, honest and forged, without the library that checks them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

USER = "0190a8e2-7c11-7d55-8f00-2b1de4ad8a11"

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PUBLIC_PEM = (
    KEY.public_key()
    .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    .decode("ascii")
)
PUBLIC_DER = KEY.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
PRIVATE_PEM = KEY.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
).decode("ascii")


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def claims(**changes: Any) -> dict[str, Any]:
    """Those of an honest user's token; a change to `...` leaves a claim out."""
    merged = {"sub": USER, "exp": int(time.time()) + 300, "email": "vera@example.org", **changes}
    return {name: value for name, value in merged.items() if value is not ...}


def raw(
    header: dict[str, Any] | bytes, body: dict[str, Any] | bytes, key: rsa.RSAPrivateKey = KEY, kind: str = "RS256"
) -> str:
    """A token whose three parts are exactly as told, signed as `kind` says."""
    parts = [part if isinstance(part, bytes) else json.dumps(part).encode() for part in (header, body)]
    signed = ".".join(b64(part) for part in parts)
    algorithm: dict[str, hashes.HashAlgorithm] = {"RS256": hashes.SHA256(), "RS384": hashes.SHA384()}
    signature = key.sign(signed.encode(), padding.PKCS1v15(), algorithm[kind])
    return f"{signed}.{b64(signature)}"


def token(*, header: dict[str, Any] | None = None, key: rsa.RSAPrivateKey = KEY, **changes: Any) -> str:
    return raw({"alg": "RS256", "typ": "JWT", **(header or {})}, claims(**changes), key)


def hmac_token(secret: bytes, algorithm: str = "HS256", header: dict[str, Any] | None = None) -> str:
    """The classic: the public key, which everybody knows, taken as a secret."""
    signed = f"{b64(json.dumps({'alg': algorithm, **(header or {})}).encode())}.{b64(json.dumps(claims()).encode())}"
    return f"{signed}.{b64(hmac.new(secret, signed.encode(), hashlib.sha256).digest())}"


def jwk(key: rsa.RSAPrivateKey, kid: str | None = None, **changes: Any) -> dict[str, Any]:
    numbers = key.public_key().public_numbers()
    entry = {
        "kty": "RSA",
        "use": "sig",
        "alg": "RS256",
        "kid": kid,
        "n": b64(numbers.n.to_bytes((numbers.n.bit_length() + 7) // 8, "big")),
        "e": b64(numbers.e.to_bytes(3, "big")),
        **changes,
    }
    return {name: value for name, value in entry.items() if value is not None}
