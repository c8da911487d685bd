"""Over TLS the same limits hold, and nobody is believed without a certificate."""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from domain.payment_system import PaymentSnapshot, Silence
from infrastructure.payment_systems.yookassa import YooKassa
from infrastructure.payment_systems.yookassa.sdk import Account
from tests.infrastructure.payment_systems.raw_server import Heard, RawServer, always, raw_server, response
from tests.infrastructure.payment_systems.samples import charge, payment_object
from tests.waiting import eventually


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Certificate and key of 127.0.0.1, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    folder = tmp_path_factory.mktemp("tls")
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return folder / "cert.pem", folder / "key.pem"


@pytest.fixture
async def server(certificate: tuple[Path, Path]) -> AsyncIterator[RawServer]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    async with raw_server(always(response(payment_object())), tls=context) as running:
        yield running


def shop(url: str, ca_file: Path | None, deadline_s: float = 10) -> YooKassa:
    trusted = str(ca_file) if ca_file else None
    return YooKassa(Account(url, "1", "k"), threads=1, deadline_s=deadline_s, read_timeout_s=60, ca_file=trusted)


async def test_a_certificate_that_nobody_vouches_for_is_not_believed(server: RawServer) -> None:
    system = shop(server.url, None)
    assert isinstance(await system.create_payment(charge()), Silence)
    assert server.heard == []
    await system.close()


async def test_one_connection_serves_many_calls(server: RawServer, certificate: tuple[Path, Path]) -> None:
    system = shop(server.url, certificate[0])
    for _ in range(5):
        assert isinstance(await system.create_payment(charge()), PaymentSnapshot)
    assert server.connections == 1
    await system.close()


async def test_an_answer_in_drops_is_cut_off_at_the_deadline(server: RawServer, certificate: tuple[Path, Path]) -> None:
    good = server.answer

    async def answer(_heard: Heard, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nX: ")
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.05)

    server.answer = answer
    system = shop(server.url, certificate[0], deadline_s=1)
    began = time.monotonic()
    assert isinstance(await system.create_payment(charge()), Silence)
    assert time.monotonic() - began < 4
    server.answer = good
    assert isinstance(await system.create_payment(charge()), PaymentSnapshot), "the one thread is free again"
    await system.close()


async def test_a_handshake_that_never_ends_is_cut_off_at_the_deadline(certificate: tuple[Path, Path]) -> None:
    async def mute(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # The first bytes of a TLS record that never becomes whole.
        for byte in b"\x16\x03\x03\x40\x00" + b"\x02" * 1000:
            if writer.is_closing():
                break
            writer.write(bytes([byte]))
            await asyncio.sleep(0.05)
        writer.close()

    listening = await asyncio.start_server(mute, "127.0.0.1", 0)
    async with listening:
        port = listening.sockets[0].getsockname()[1]
        system = shop(f"https://127.0.0.1:{port}/v3", certificate[0], deadline_s=1)
        began = time.monotonic()
        assert isinstance(await system.create_payment(charge()), Silence)
        assert 0.9 < time.monotonic() - began < 4
        await eventually(lambda: not system.busy_threads)
        await system.close()
