"""With YOOKASSA_CHECK_SENDER on, notifications are taken from YooKassa's published addresses only (invariant 5)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import uuid4

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import func, select

from bootstrap import Service, build
from commands.app import add_commands
from infrastructure.http.surroundings import surround
from infrastructure.postgres.tables import inbox
from settings import SettingsError, load
from tests.scenarios.cinema import Cinema

OURS = "10.1.2.3"
"""The reverse proxy in front of the service."""
THEIRS = "185.71.76.5"
STRANGER = "203.0.113.9"


@dataclass
class Door:
    app: FastAPI
    service: Service

    async def knocks(self, address: str, *forwarded_for: str) -> int:
        """A notification from that address → its status. It is stored where it was taken, and only there."""
        object_id = uuid4().hex
        body = {"type": "notification", "event": "payment.succeeded", "object": {"id": object_id}}
        headers = [("X-Forwarded-For", value) for value in forwarded_for]
        transport = httpx.ASGITransport(self.app, client=(address, 40000))
        async with httpx.AsyncClient(transport=transport, base_url="http://billing") as caller:
            reply = await caller.post("/webhooks/yookassa", json=body, headers=headers)
        query = select(func.count()).select_from(inbox).where(inbox.c.provider_object_id == object_id)
        async with self.service.engine.connect() as connection:
            stored = (await connection.execute(query)).scalar_one()
        assert stored == (1 if reply.status_code == 200 else 0)
        return reply.status_code


@pytest.fixture(scope="module")
async def door(cinema: Cinema) -> AsyncIterator[Door]:
    checked = {"yookassa_check_sender": True, "trusted_proxies": (OURS, "10.9.0.0/16", "fd00::1")}
    settings = cinema.service.settings.model_copy(update=checked)
    service = await build(settings, cinema.clock)
    app = FastAPI()
    add_commands(app, service.command_side())
    surround(app)
    yield Door(app, service)
    await service.close()


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("185.71.76.0", 200),
        ("185.71.76.31", 200),
        ("185.71.76.32", 403),
        ("185.71.75.255", 403),
        ("185.71.77.31", 200),
        ("77.75.153.0", 200),
        ("77.75.153.127", 200),
        ("77.75.153.128", 403),
        ("77.75.154.127", 403),
        ("77.75.154.128", 200),
        ("77.75.156.11", 200),
        ("77.75.156.12", 403),
        ("77.75.156.35", 200),
        ("2a02:5180::1", 200),
        ("2A02:5180:FFFF:ffff:ffff:ffff:ffff:ffff", 200),
        ("2a02:5181::1", 403),
        ("::ffff:185.71.76.5", 200),
        ("::ffff:203.0.113.9", 403),
        ("127.0.0.1", 403),
        (STRANGER, 403),
        ("", 403),
        ("nonsense", 403),
    ],
)
async def test_who_knocks_directly_is_judged_by_the_published_ranges(door: Door, address: str, status: int) -> None:
    assert await door.knocks(address) == status


@pytest.mark.parametrize(
    ("forwarded_for", "status"),
    [
        pytest.param([THEIRS], 200, id="theirs"),
        pytest.param([STRANGER], 403, id="a stranger"),
        pytest.param([f"{THEIRS}, {STRANGER}"], 403, id="a stranger who forged an entry on the left"),
        pytest.param([THEIRS, STRANGER], 403, id="a stranger who forged a header of their own"),
        pytest.param([f"{THEIRS}, {STRANGER}, {OURS}"], 403, id="a forged entry behind two proxies of ours"),
        pytest.param([f"{STRANGER}, {THEIRS}"], 200, id="theirs, with something on the left"),
        pytest.param([f"{STRANGER}, {THEIRS}, 10.9.8.7"], 200, id="theirs through a second proxy, of a network"),
        pytest.param([f"{THEIRS},{OURS}", "fd00:0::0:1"], 200, id="theirs through three, over two headers"),
        pytest.param(["2a02:5180:0:1::5"], 200, id="theirs over IPv6"),
        pytest.param([f"::ffff:{THEIRS}"], 200, id="theirs, written as IPv6"),
        pytest.param([f"{THEIRS}:4711"], 200, id="theirs, with a port"),
        pytest.param(["[2a02:5180:0:1::5]"], 200, id="theirs over IPv6, in brackets"),
        pytest.param(["[2a02:5180:0:1::5]:443"], 200, id="theirs over IPv6, with a port"),
        pytest.param([f"{THEIRS}, {OURS}:80"], 200, id="our proxy, with a port"),
        pytest.param([f"{THEIRS}, {STRANGER}:80"], 403, id="a stranger with a port"),
        pytest.param([f"{THEIRS}:80:80"], 403, id="two ports"),
        pytest.param([f"{THEIRS}, ::ffff:{OURS}"], 200, id="our proxy, written as IPv6"),
        pytest.param([f"{THEIRS}, ::ffff:{STRANGER}"], 403, id="a stranger written as IPv6"),
        pytest.param([f"{THEIRS}, garbage"], 403, id="garbage on the right"),
        pytest.param([f"{THEIRS},"], 403, id="nothing on the right"),
        pytest.param(["garbage"], 403, id="garbage"),
        pytest.param(["185.071.076.005"], 403, id="leading zeros"),
        pytest.param([f"{THEIRS};{STRANGER}"], 403, id="another separator"),
        pytest.param([f"{THEIRS}%eth0"], 403, id="a scope"),
        pytest.param([""], 403, id="an empty header"),
        pytest.param([OURS], 403, id="nobody but proxies"),
        pytest.param([], 403, id="no header"),
        pytest.param([", ".join([THEIRS] * 2000 + [STRANGER])], 403, id="thousands of entries"),
    ],
)
@pytest.mark.parametrize("proxy", [OURS, f"::ffff:{OURS}"])
async def test_behind_our_proxy_the_right_most_foreign_address_is_judged(
    door: Door, proxy: str, forwarded_for: list[str], status: int
) -> None:
    assert await door.knocks(proxy, *forwarded_for) == status


@pytest.mark.parametrize("stranger", [STRANGER, "10.1.2.4", "::ffff:10.1.2.4", "2a02:5181::1"])
async def test_a_header_of_who_is_no_proxy_of_ours_proves_nothing(door: Door, stranger: str) -> None:
    assert await door.knocks(stranger, THEIRS) == 403


async def test_theirs_may_say_what_they_like_in_the_header(door: Door) -> None:
    assert await door.knocks(THEIRS, STRANGER) == 200


async def test_without_the_check_anybody_may_knock(cinema: Cinema) -> None:
    body = {"type": "notification", "event": "payment.succeeded", "object": {"id": uuid4().hex}}
    assert (await cinema.api.post("/webhooks/yookassa", json=body)).status_code == 200


@pytest.mark.parametrize("proxies", ["nginx", "10.0.0.1/8", "10.0.0.1, , 300.1.1.1"])
def test_proxies_that_are_no_addresses_stop_the_start(proxies: str) -> None:
    with pytest.raises(SettingsError, match="BILLING_TRUSTED_PROXIES: expected addresses"):
        load(trusted_proxies=proxies)
