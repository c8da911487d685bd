"""What callers send: unknown fields refused, text bounded, money exact."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Literal
from urllib.parse import urlsplit
from uuid import UUID

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr

from commands.instruments import ChosenCard, PaymentChoice, SavedMethod
from domain.cards import CardInvalid, CardNumber, check_cvc
from domain.money import Money
from domain.payment_system import Redirect, Token
from domain.periods import PeriodLength, PeriodUnit
from domain.plan_change import ChangeWhen
from domain.subscription import CancelWhen

_WEB_ADDRESS = re.compile(r"https?://[!#-;=?-\[\]_a-z~]+")
"""What an address may have in it; a name in other letters comes as punycode, a path in them with per cent signs."""


def _is_web_address(value: str) -> str:
    """A payment system refuses what is no address, and the person would be told of a payment that failed."""
    if not _WEB_ADDRESS.fullmatch(value):
        raise ValueError("expected an address that starts with https:// or http://, in ASCII")
    try:
        parts = urlsplit(value)
        usable = bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number, brackets that are left open
        usable = False
    if not usable:
        raise ValueError("expected an address with a host, and with a port from 1 to 65535 where it has one")
    return value


_INSTANT = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(\.\d{1,9})?([Zz]|[+-]\d{2}:\d{2})", re.ASCII)
_FIRST = datetime(1970, 1, 1, tzinfo=UTC)


def _read_instant(value: object) -> datetime:
    """RFC 3339 → UTC. Without its offset nobody knows which instant was meant."""
    if not isinstance(value, str) or not _INSTANT.fullmatch(value):
        raise ValueError("expected RFC 3339 with an offset, like 2027-01-31T09:00:00Z")
    try:
        found = datetime.fromisoformat(value.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError("is no time of the calendar") from None
    if found < _FIRST:
        raise ValueError("is too long ago")
    return found


def _is_plain(value: str) -> str:
    if not value.isprintable() or value != value.strip():
        raise ValueError("expected printable characters, without blanks at its ends")
    return value


def _is_boolean(value: object) -> object:
    """Said before `Literal[True]`, to which 1 is the same."""
    if not isinstance(value, bool):
        raise ValueError("expected true")
    return value


Flag = Annotated[bool, Field(strict=True)]
Instant = Annotated[datetime, BeforeValidator(_read_instant)]
Reference = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_is_plain)]
ReturnUrl = Annotated[str, Field(max_length=2048), AfterValidator(_is_web_address)]
Code = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
Text = Annotated[str, Field(min_length=1, max_length=2000)]
Name = Annotated[str, Field(min_length=1, max_length=200)]


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class MoneyBody(Body):
    value: Annotated[str, Field(pattern=r"^(0|[1-9][0-9]{0,11})\.[0-9]{2}$", examples=["499.00"])]
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$", examples=["RUB"])] = "RUB"

    def money(self) -> Money:
        return Money.parse(self.value, self.currency)


_MOST = Money(35_000_000)
"""What YooKassa takes at a time (limits of payments)."""


def _can_be_charged(value: str) -> str:
    if Money.parse(value) > _MOST:
        raise ValueError(f"expected no more than {_MOST.value}, which is the most that is charged at a time")
    return value


class PriceBody(MoneyBody):
    """A plan's price: a rouble at least, within what a payment system takes at a time."""

    value: Annotated[
        str,
        Field(pattern=r"^[1-9][0-9]{0,5}\.[0-9]{2}$", examples=["499.00"]),
        AfterValidator(_can_be_charged),
    ]
    currency: Literal["RUB"] = "RUB"


def _is_something(value: str) -> str:
    if value == "0.00":
        raise ValueError("expected more than nothing")
    return value


class MovedMoneyBody(MoneyBody):
    """Money that has moved: more than nothing."""

    value: Annotated[
        str, Field(pattern=r"^(0|[1-9][0-9]{0,11})\.[0-9]{2}$", examples=["499.00"]), AfterValidator(_is_something)
    ]


def _is_cvc(value: SecretStr) -> SecretStr:
    try:
        check_cvc(value.get_secret_value())
    except CardInvalid:
        raise ValueError("expected 3 or 4 digits") from None
    return value


class PayByRedirect(Body):
    type: Literal["redirect"]
    return_url: ReturnUrl


class PayByToken(Body):
    type: Literal["token"]
    payment_token: Annotated[str, Field(min_length=1, max_length=10240, repr=False)]
    return_url: ReturnUrl | None = None


class PayBySaved(Body):
    type: Literal["saved"]
    payment_method_id: UUID


class PayByCard(Body):
    """A stored card, where the payment system takes card data; else 422 `card_not_supported`.

    With a `return_url` the bank may ask the person first, at the reply's `confirmation_url`.
    """

    type: Literal["card"]
    card_id: UUID
    cvc: Annotated[
        SecretStr,
        Field(json_schema_extra={"pattern": "^[0-9]{3,4}$"}, description="Asked at each payment and never kept."),
        AfterValidator(_is_cvc),
    ]
    return_url: ReturnUrl | None = None


PaymentBody = Annotated[PayByRedirect | PayByToken | PayBySaved | PayByCard, Field(discriminator="type")]


def choice(body: PayByRedirect | PayByToken | PayBySaved | PayByCard) -> PaymentChoice:
    match body:
        case PayByRedirect():
            return Redirect(body.return_url)
        case PayByToken():
            return Token(body.payment_token, body.return_url)
        case PayBySaved():
            return SavedMethod(body.payment_method_id)
        case PayByCard():
            return ChosenCard(body.card_id, body.return_url)


class StoreCardBody(Body):
    """A card to be kept. Its number is stored sealed and never shown; there is no field for a CVC."""

    number: Annotated[
        SecretStr,
        Field(description="12 to 19 digits; single spaces or hyphens between them are allowed."),
    ]
    exp_month: Annotated[int, Field(strict=True, examples=[12])]
    exp_year: Annotated[int, Field(strict=True, description="Four digits.", examples=[2030])]
    holder: Annotated[Reference | None, Field(repr=False, description="As it stands on the card.")] = None

    def card_number(self) -> CardNumber:
        """Raises CardInvalid."""
        return CardNumber.parse(self.number.get_secret_value())


class SubscribeBody(Body):
    plan_code: Code
    price: MoneyBody
    payment: PaymentBody
    payment_system: Code = "yookassa"


class PayBody(Body):
    payment: PaymentBody
    payment_system: Code | None = None


class CancelBody(Body):
    when: CancelWhen = CancelWhen.PERIOD_END
    reason: Annotated[str, Field(max_length=500)] | None = None


class ChangePlanBody(Body):
    plan_code: Code
    price: MoneyBody
    when: ChangeWhen = ChangeWhen.NOW
    payment: PaymentBody | None = None


class RefundBody(Body):
    reason: Annotated[str, Field(max_length=500)] | None = None


class NoBody(Body):
    pass


class RenewalBody(Body):
    subscription_id: UUID
    early: Flag = Field(
        default=False,
        description="Where a refused charge waits for its next try, make one now as well (scope billing:admin).",
    )


class PaymentLinkBody(Body):
    user_id: UUID
    subscription_id: UUID | None = None
    plan_code: Code | None = None
    payment_system: Code | None = None
    return_url: ReturnUrl


class PaymentMethodChangeBody(Body):
    default: Annotated[Literal[True], BeforeValidator(_is_boolean)]


class InternalRefundBody(Body):
    payment_id: UUID
    amount: MovedMoneyBody | None = None
    reason: Annotated[str, Field(min_length=1, max_length=500)]


class ResolveCaseBody(Body):
    resolution: Annotated[str, Field(min_length=1, max_length=2000)]


class ExternalPaymentBody(Body):
    amount: MovedMoneyBody
    paid_at: Instant
    source: Reference
    reference: Reference


class ExternalRefundBody(Body):
    amount: MovedMoneyBody
    refunded_at: Instant
    source: Reference
    reference: Reference
    payment_reference: Reference


class PeriodBody(Body):
    unit: PeriodUnit
    count: Annotated[int, Field(strict=True, ge=1, le=366)] = 1

    def length(self) -> PeriodLength:
        return PeriodLength(self.unit, self.count)


SystemSettings = Annotated[
    dict[Annotated[str, Field(min_length=1, max_length=64)], Annotated[str, Field(min_length=1, max_length=2000)]],
    Field(max_length=20, repr=False, description="What the adapter needs, by name. Written, never read."),
]


class PaymentSystemBody(Body):
    code: Code
    name: Name
    adapter: Annotated[str, Field(min_length=1, max_length=64)]
    enabled: Flag = True
    settings: SystemSettings = {}


class PaymentSystemChangeBody(Body):
    name: Name | None = None
    enabled: Flag | None = None
    settings: SystemSettings = {}


class PlanBody(Body):
    code: Code
    name: Name
    description: Annotated[str, Field(max_length=2000)] = ""
    price: PriceBody
    period: PeriodBody
    trial_days: Annotated[int, Field(strict=True, ge=0, le=366)] = 0
    available: Flag = True


class PlanChangeBody(Body):
    name: Name | None = None
    description: Annotated[str, Field(max_length=2000)] | None = None
    price: PriceBody | None = None
    available: Flag | None = None
