"""A method that its owner removes while it is being charged does not come back under another id."""

from __future__ import annotations

from dataclasses import replace

import pytest

from domain.payment_system import ChargeRequest, PaymentSnapshot, Refused, Silence
from infrastructure.payment_systems.yookassa import YooKassa
from tests.scenarios.cinema import Cinema


async def test_a_method_removed_during_its_charge_is_not_saved_under_the_id_that_the_answer_names(
    cinema: Cinema, monkeypatch: pytest.MonkeyPatch
) -> None:
    anna = await cinema.person()
    method = (await anna.subscribes("premium", "499.00")).json()["payment"]["payment_method"]["id"]
    whole = YooKassa.create_payment

    async def charge_it_meanwhile(self: YooKassa, request: ChargeRequest) -> PaymentSnapshot | Refused | Silence:
        headers = {"Authorization": f"Bearer {anna.token}", "Idempotency-Key": "remove"}
        assert (await cinema.api.delete(f"/v1/payment-methods/{method}", headers=headers)).status_code == 200
        said = await whole(self, request)
        assert isinstance(said, PaymentSnapshot)
        assert said.method is not None
        return replace(said, method=replace(said.method, provider_method_id="another-id", saved=True))

    monkeypatch.setattr(YooKassa, "create_payment", charge_it_meanwhile)
    await cinema.time_passes(days=31)

    assert await anna.charged() == ["499.00", "499.00"]
    assert (await anna.reads("/v1/payment-methods"))["items"] == []
    assert (await anna.subscription())["next_charge_at"] is None
