from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from infrastructure.local.valkey import EmbeddedValkey
from infrastructure.simulators.yookassa.serve import running
from tests.queries.servers import database_url, migrated, postgres, valkey
from tests.scenarios.cinema import Cinema, Hands, close_cinema, open_cinema, settings_for, start_of_story

__all__ = ["database_url", "migrated", "postgres", "valkey"]


@pytest.fixture(scope="module")
async def cinema(database_url: str, valkey: EmbeddedValkey) -> AsyncIterator[Cinema]:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    public = (
        key.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )
    clock = Hands(start_of_story())
    with running(clock=clock) as yookassa:
        cinema = await open_cinema(settings_for(database_url, valkey.url, yookassa, public), clock, yookassa, private)
        yield cinema
        await close_cinema(cinema)
