"""The adapters there are: adding a payment system is one file with a PaymentSystem and one row here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from domain.payment_system import Capabilities
from domain.ports import Clock, PaymentSystem
from infrastructure.payment_systems.imitation import Imitation
from infrastructure.payment_systems.yookassa import YooKassa
from infrastructure.payment_systems.yookassa.sdk import Account


@dataclass(frozen=True, slots=True)
class Adapter:
    """A kind of payment system. `settings`: the names that `build` needs; `limits` are keyword arguments of its own.

    `account`: those of the settings that say whose books it speaks to; lists hold all payments of one account.
    """

    capabilities: Capabilities
    settings: frozenset[str]
    account: frozenset[str]
    fit_for_production: bool
    build: Callable[[Clock, Mapping[str, str], Mapping[str, Any]], PaymentSystem]


def _imitation(clock: Clock, _settings: Mapping[str, str], _limits: Mapping[str, Any]) -> PaymentSystem:
    # Its books end with the process: the ids of the next one's are others, or it would speak of earlier payments.
    return Imitation(clock, seed=uuid4().hex)


def _yookassa(_clock: Clock, settings: Mapping[str, str], limits: Mapping[str, Any]) -> PaymentSystem:
    account = Account(settings["api_url"].rstrip("/"), settings["shop_id"], settings["secret_key"])
    return YooKassa(account, **limits)


ADAPTERS: Mapping[str, Adapter] = {
    "yookassa": Adapter(
        YooKassa.capabilities,
        settings=frozenset({"api_url", "shop_id", "secret_key"}),
        account=frozenset({"api_url", "shop_id"}),
        fit_for_production=True,
        build=_yookassa,
    ),
    "imitation": Adapter(
        Imitation.capabilities, settings=frozenset(), account=frozenset(), fit_for_production=False, build=_imitation
    ),
}
