"""Bodies of requests, read as strictly as YooKassa reads them. Everything raises Problem."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from domain.money import Money
from infrastructure.simulators.yookassa.problems import forbidden, invalid

_MAX = 350_000_00
_MIN = 1_00


@dataclass(frozen=True)
class CreatePayment:
    amount: Money
    description: str | None
    metadata: dict[str, str]
    merchant_customer_id: str | None
    capture: bool
    save: bool
    token: str | None
    method_id: str | None
    card: dict[str, Any] | None  # raw card data, shops with PCI DSS only
    return_url: str | None
    locale: str | None


@dataclass(frozen=True)
class CreateRefund:
    payment_id: str
    amount: Money
    description: str | None
    metadata: dict[str, str]


@dataclass(frozen=True)
class CreateMethod:
    return_url: str
    locale: str | None
    metadata: dict[str, str]


def read_create_payment(body: dict[str, Any], *, pci: bool) -> CreatePayment:
    amount = _amount(body.get("amount"), "amount")
    if not _MIN <= amount.minor <= _MAX:
        raise invalid("amount.value", "Amount must be between 1.00 and 350000.00 RUB")
    names = ("payment_token", "payment_method_id", "payment_method_data")
    given = [name for name in names if body.get(name) is not None]
    if len(given) != 1:
        raise invalid(given[1] if given else "payment_method_data", f"Exactly one of {', '.join(names)} must be passed")
    confirmation = body.get("confirmation")
    saved = given[0] == "payment_method_id"
    if saved and confirmation is not None:
        raise invalid("confirmation", "Confirmation can't be passed with payment_method_id")
    return_url, locale = _confirmation(confirmation) if confirmation is not None else (None, None)
    card = _method_data(body["payment_method_data"], pci=pci) if given[0] == "payment_method_data" else None
    if given[0] == "payment_method_data" and card is None and return_url is None:
        raise invalid("confirmation", "Confirmation must be passed with this payment method")
    return CreatePayment(
        amount=amount,
        description=_text(body, "description", 128),
        metadata=_metadata(body.get("metadata")),
        merchant_customer_id=_text(body, "merchant_customer_id", 200),
        capture=_flag(body, "capture"),
        save=_flag(body, "save_payment_method"),
        token=_text(body, "payment_token", 10_240),
        method_id=_text(body, "payment_method_id", 200),
        card=card,
        return_url=return_url,
        locale=locale,
    )


def read_create_refund(body: dict[str, Any]) -> CreateRefund:
    payment_id = body.get("payment_id")
    if not isinstance(payment_id, str) or not payment_id:
        raise invalid("payment_id", "Payment id is missing or illegal")
    if len(payment_id) != 36:
        raise invalid("payment_id", "Payment id must be 36 characters long")
    amount = _amount(body.get("amount"), "amount")
    if amount.minor <= 0:
        raise invalid("amount.value", "Amount must be greater than 0")
    return CreateRefund(payment_id, amount, _text(body, "description", 250), _metadata(body.get("metadata")))


def read_create_method(body: dict[str, Any], *, pci: bool) -> CreateMethod:
    kind = body.get("type")
    if kind != "bank_card":
        raise invalid("type", "Payment method type is missing or not available to the shop")
    if body.get("card") is not None and not pci:
        raise forbidden("Passing bank card data requires PCI DSS certification", "card")
    confirmation = body.get("confirmation")
    if confirmation is None:
        raise invalid("confirmation", "Confirmation is missing")
    return_url, locale = _confirmation(confirmation)
    return CreateMethod(return_url, locale, _metadata(body.get("metadata")))


def read_capture(body: dict[str, Any], held: Money) -> Money:
    """What to take of a held amount; all of it where nothing is said."""
    if body.get("amount") is None:
        return held
    amount = _amount(body["amount"], "amount")
    if amount.minor > held.minor:
        raise invalid("amount", "Capture amount is greater than the amount of the payment")
    if amount.minor < _MIN:
        raise invalid("amount.value", "Amount must be at least 1.00 RUB")
    return amount


def _amount(value: Any, parameter: str) -> Money:
    if not isinstance(value, dict):
        raise invalid(parameter, "Amount is missing or illegal")
    if value.get("currency") != "RUB":
        raise invalid(f"{parameter}.currency", "Currency must be that of the shop, RUB")
    text = value.get("value")
    if not isinstance(text, str):
        raise invalid(f"{parameter}.value", "Amount value must be a string")
    try:
        return Money.parse(text, "RUB")
    except ValueError:
        raise invalid(f"{parameter}.value", "Amount value must be a decimal with two fraction digits") from None


def _confirmation(value: Any) -> tuple[str, str | None]:
    if not isinstance(value, dict):
        raise invalid("confirmation", "Confirmation is illegal")
    if value.get("type") != "redirect":
        raise invalid("confirmation.type", "Confirmation type is missing or not available to the shop")
    return_url = value.get("return_url")
    if not isinstance(return_url, str) or not return_url.startswith(("http://", "https://")):
        raise invalid("confirmation.return_url", "Return url is missing or illegal")
    if len(return_url) > 2048:
        raise invalid("confirmation.return_url", "Return url must not be longer than 2048 characters")
    locale = value.get("locale")
    if locale not in {None, "ru_RU", "en_US"}:
        raise invalid("confirmation.locale", "Locale is illegal")
    return return_url, locale


def _method_data(value: Any, *, pci: bool) -> dict[str, Any] | None:
    if not isinstance(value, dict):
        raise invalid("payment_method_data", "Payment method data is illegal")
    if value.get("type") != "bank_card":
        raise invalid("payment_method_data.type", "Payment method is missing or not available to the shop")
    card = value.get("card")
    if card is None:
        return None
    if not pci:
        raise forbidden("Passing bank card data requires PCI DSS certification", "payment_method_data.card")
    if not isinstance(card, dict):
        raise invalid("payment_method_data.card", "Card is illegal")
    for name in ("number", "expiry_month", "expiry_year"):
        if not isinstance(card.get(name), str):
            raise invalid(f"payment_method_data.card.{name}", "Card data is missing or illegal")
    return card


def _metadata(value: Any) -> dict[str, str]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise invalid("metadata", "Metadata must be an object")
    if len(value) > 16:
        raise invalid("metadata", "Metadata must not have more than 16 keys")
    for name, text in value.items():
        if len(name) > 32:
            raise invalid("metadata", "Metadata key must not be longer than 32 characters")
        if not isinstance(text, str):
            raise invalid(f"metadata.{name}", "Metadata value must be a string")
        if len(text) > 512:
            raise invalid(f"metadata.{name}", "Metadata value must not be longer than 512 characters")
    return dict(value)


def _text(body: dict[str, Any], name: str, limit: int) -> str | None:
    value = body.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or not value:
        raise invalid(name, f"{name} must be a string that is not empty")
    if len(value) > limit:
        raise invalid(name, f"{name} must not be longer than {limit} characters")
    return value


def _flag(body: dict[str, Any], name: str) -> bool:
    value = body.get(name)
    if value is None:
        return False
    if not isinstance(value, bool):
        raise invalid(name, f"{name} must be true or false")
    return value
