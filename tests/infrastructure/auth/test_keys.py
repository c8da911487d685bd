"""What may be configured as the auth service's public key."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from infrastructure.auth.errors import UnusableKey
from infrastructure.auth.keys import StaticKeys
from infrastructure.auth.tokens import TokenVerifier
from tests.infrastructure.auth import forge

_PUBLIC = serialization.PublicFormat.SubjectPublicKeyInfo
_PEM = serialization.Encoding.PEM


async def believes(text_or_path: str) -> bool:
    caller = await TokenVerifier(StaticKeys.from_pem(text_or_path)).verify(f"Bearer {forge.token()}")
    return caller.subject == forge.USER


def certificate() -> str:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "auth")])
    builder = x509.CertificateBuilder(name, name, forge.KEY.public_key(), x509.random_serial_number())
    day = datetime.now(UTC)
    built = builder.not_valid_before(day).not_valid_after(day + timedelta(days=1)).sign(forge.KEY, hashes.SHA256())
    return built.public_bytes(_PEM).decode()


async def test_a_public_key_is_taken_as_text() -> None:
    assert await believes(forge.PUBLIC_PEM)


async def test_a_public_key_is_taken_with_its_line_breaks_written_out() -> None:
    assert await believes(forge.PUBLIC_PEM.replace("\n", "\\n"))


async def test_a_public_key_is_taken_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "public.pem"
    path.write_text(forge.PUBLIC_PEM)
    assert await believes(str(path))


async def test_a_public_key_is_taken_in_its_older_form() -> None:
    assert await believes(forge.KEY.public_key().public_bytes(_PEM, serialization.PublicFormat.PKCS1).decode())


async def test_a_certificate_is_taken_for_its_key() -> None:
    assert await believes(certificate())


async def test_while_auth_changes_its_key_both_are_believed() -> None:
    other = forge.OTHER_KEY.public_key().public_bytes(_PEM, _PUBLIC).decode()
    assert await believes(other + forge.PUBLIC_PEM)


def test_a_private_key_given_by_mistake_is_refused_and_not_repeated(tmp_path: Path) -> None:
    path = tmp_path / "private.pem"
    path.write_text(forge.PRIVATE_PEM)
    old = forge.KEY.private_bytes(
        _PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.BestAvailableEncryption(b"x")
    ).decode()
    for given in (forge.PRIVATE_PEM, str(path), old, forge.PUBLIC_PEM + forge.PRIVATE_PEM):
        with pytest.raises(UnusableKey, match="PRIVATE key") as caught:
            StaticKeys.from_pem(given)
        assert forge.PRIVATE_PEM.splitlines()[5] not in str(caught.value)
        assert caught.value.__cause__ is None


def _small() -> str:
    return rsa.generate_private_key(65537, 1024).public_key().public_bytes(_PEM, _PUBLIC).decode()  # noqa: S505 - to be refused


def _elliptic() -> str:
    return ec.generate_private_key(ec.SECP256R1()).public_key().public_bytes(_PEM, _PUBLIC).decode()


UNUSABLE = {
    "nothing": "",
    "a file that is not there": "/nowhere/public.pem",
    "a folder": "/",
    "a path with NUL": "a\x00b",
    "1024 bits": _small(),
    "another kind of key": _elliptic(),
    "garbage in a frame": "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----",
    "a frame without an end": "-----BEGIN PUBLIC KEY-----\nAAAA",
    "another kind of PEM": "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----",
    "too many keys": forge.PUBLIC_PEM * 5,
    "the inside of a key without its frame": "".join(forge.PUBLIC_PEM.splitlines()[1:-1]),
}


@pytest.mark.parametrize("given", UNUSABLE.values(), ids=UNUSABLE)
def test_anything_else_stops_the_start_with_a_sentence(given: str) -> None:
    with pytest.raises(UnusableKey) as caught:
        StaticKeys.from_pem(given)
    assert 10 < len(str(caught.value)) < 150


def test_a_key_in_der_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "public.der"
    path.write_bytes(forge.PUBLIC_DER)
    with pytest.raises(UnusableKey, match="PEM"):
        StaticKeys.from_pem(str(path))
