"""A killed payment system comes back with its books, its keys, its faults and its unsent notifications."""

from __future__ import annotations

from pathlib import Path

import httpx

from infrastructure.local.ports import free_port
from tests.infrastructure.simulators.yookassa.processes import process
from tests.infrastructure.simulators.yookassa.shop import NO_MONEY, SUCCEEDS, Mailbox, Shop, charge, ok


async def test_nothing_is_forgotten_by_kill_9(tmp_path: Path, inbox: Mailbox) -> None:
    port, data_dir = free_port(), tmp_path / "books"
    async with httpx.AsyncClient(auth=("1", "s")) as client:
        with process(port, data_dir, inbox.url) as simulator:
            shop = Shop(simulator, client)
            inbox.answers = [500] * 100
            method = await shop.saved_method()
            await shop.control.behave(method, "insufficient_funds")
            waiting = await shop.pay("waiting")
            token = await shop.control.token(SUCCEEDS)
            await shop.control.fault("get_me", "error_500", times=3)
            await shop.get("/me")
            first = ok(await shop.post("/payments", charge(payment_method_id=method), "key"))
        with process(port, data_dir, inbox.url) as simulator:
            shop = Shop(simulator, client)
            assert ok(await shop.post("/payments", charge(payment_method_id=method), "key")) == first
            assert first["cancellation_details"]["reason"] == "insufficient_funds"
            assert (await shop.pay("waiting"))["id"] == waiting["id"]
            assert [(await shop.get("/me")).status_code for _ in range(3)] == [500, 500, 200]
            assert ok(await shop.post("/payments", charge(payment_token=token)))["id"] not in {
                first["id"],
                waiting["id"],
            }
            inbox.answers = []
            inbox.all.clear()
            await shop.control.tick()
            assert {method, first["id"]} <= {body["object"]["id"] for body in inbox.all}


async def test_no_card_number_or_code_is_ever_written(tmp_path: Path, inbox: Mailbox) -> None:
    data_dir = tmp_path / "books"
    async with httpx.AsyncClient(auth=("1", "s")) as client:
        with process(free_port(), data_dir, inbox.url) as simulator:
            shop = Shop(simulator, client)
            await shop.pay_with(SUCCEEDS, save_payment_method=True)
            payment = await shop.pay()
            await shop.control.pay(payment["id"], NO_MONEY, csc="9173")
            page = f"{simulator.url}/checkout/{payment['id']}"
            await client.post(page, data={"number": NO_MONEY, "expiry": "12/40", "csc": "9173"})
            assert NO_MONEY not in (await client.get(page, auth=("1", "s"))).text
    written = b"".join(path.read_bytes() for path in data_dir.iterdir())
    assert payment["id"].encode() in written
    for secret in (SUCCEEDS, NO_MONEY, '"9173"', '"csc"'):
        assert secret.encode() not in written
