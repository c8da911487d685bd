"""The imitated shop: what becomes of charges, bindings and refunds, and what people do on its pages."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from domain.money import Money
from domain.payment_system import (
    BindingRequest,
    Cancellation,
    CardData,
    ChargeRequest,
    NotFound,
    NotificationKind,
    PaymentSnapshot,
    ProviderMethod,
    ProviderStatus,
    Redirect,
    RefundRequest,
    RefundSnapshot,
    Refused,
    Saved,
    Silence,
    Token,
)
from domain.ports import Clock
from infrastructure.payment_systems.imitation_books import Books, Payment, Refund, SavedMethod
from infrastructure.payment_systems.imitation_cards import outcome_of

_CONFIRM_WITHIN = timedelta(hours=1)
_REFUND_WITHIN = timedelta(days=3 * 365)
_LEAST, _MOST = 100, 35_000_000  # kopecks: the limits of a payment; the least is also what a refund may leave
_GOOD_CARD = "5555555555554444"
_KEY_REUSED = Silence("the key was used with another body", only_this=True, conflict=True)


class Shop:
    """Carries out at once, in one thread; time is the given clock's."""

    def __init__(self, clock: Clock, *, seed: str, page_url: str) -> None:
        self._clock = clock
        self._page_url = page_url
        self._books = Books(seed)

    # --- what is asked of it ---------------------------------------------------------------------
    def charge(self, request: ChargeRequest, *, pending: bool) -> PaymentSnapshot | Refused | Silence:
        if use := self._books.used(request.idempotency_key, self._now()):
            return self._payment(use.object_id).snapshot() if self._books.is_same(use, request) else _KEY_REUSED
        if request.amount.currency != "RUB" or not _LEAST <= request.amount.minor <= _MOST:
            return Refused("invalid_request", "Amount is out of limits")
        payment = Payment(
            id="",
            our_id=request.payment_id,
            amount=request.amount,
            created_at=self._now(),
            save_method=request.save_method,
        )
        refused = self._take(payment, request, pending)
        if refused is not None:
            return refused
        self._books.use(request.idempotency_key, request, self._now(), payment.id)
        return payment.snapshot()

    def bind(self, request: BindingRequest) -> PaymentSnapshot | Refused | Silence:
        if use := self._books.used(request.idempotency_key, self._now()):
            return self._payment(use.object_id).snapshot() if self._books.is_same(use, request) else _KEY_REUSED
        binding = Payment("", request.payment_id, Money(0), self._now(), save_method=True, binding=True)
        self._enter(binding)
        self._wait_for_person(binding)
        self._books.use(request.idempotency_key, request, self._now(), binding.id)
        return binding.snapshot()

    def refund(self, request: RefundRequest, *, pending: bool) -> RefundSnapshot | Refused | Silence:
        if use := self._books.used(request.idempotency_key, self._now()):
            return self._books.refunds[use.object_id].snapshot() if self._books.is_same(use, request) else _KEY_REUSED
        payment = self._books.payments.get(request.provider_payment_id)
        if payment is None:
            return Refused("not_found", "Payment doesn't exist")
        if why := self._why_no_refund(payment, request.amount):
            return Refused("invalid_request", why)
        status = ProviderStatus.PENDING if pending else ProviderStatus.SUCCEEDED
        refund = Refund(self._books.new_id(), request.refund_id, payment.id, request.amount, self._now(), status)
        payment.refunded += request.amount.minor
        self._books.refunds[refund.id] = refund
        self._books.use(request.idempotency_key, request, self._now(), refund.id)
        return refund.snapshot()

    def look_up(self, provider_id: str, *, binding: bool) -> PaymentSnapshot | NotFound:
        if provider_id not in self._books.payments:
            return NotFound()
        payment = self._payment(provider_id)
        return payment.snapshot() if payment.binding is binding else NotFound()

    def payments(self) -> list[Payment]:
        """All payments without the bindings, oldest first."""
        return [self._payment(key) for key, payment in self._books.payments.items() if not payment.binding]

    def refunds(self) -> list[Refund]:
        return list(self._books.refunds.values())

    # --- what people do --------------------------------------------------------------------------
    def pay(self, provider_payment_id: str, number: str = _GOOD_CARD) -> PaymentSnapshot:
        """The person enters a card on the page (or passes 3-D Secure); a declined one leaves the page open."""
        payment = self._open(provider_payment_id)
        outcome = outcome_of(number)
        if outcome.decline is None:
            self._succeed(payment, number)
        return payment.snapshot()

    def leave(self, provider_payment_id: str) -> PaymentSnapshot:
        """The person never pays: what else happens an hour later happens now."""
        payment = self._open(provider_payment_id)
        _cancel(payment, Cancellation("expired_on_confirmation", "yoo_money"))
        return payment.snapshot()

    def finish(self, provider_id: str, canceled: Cancellation | None = None) -> PaymentSnapshot | RefundSnapshot:
        """Decide a payment or refund that `leave_pending` left open: money, or why not."""
        refund = self._books.refunds.get(provider_id)
        if refund is None:
            payment = self._open(provider_id)
            if canceled:
                _cancel(payment, canceled)
            else:
                self._succeed(payment, payment.card or _GOOD_CARD)
            return payment.snapshot()
        if refund.status is not ProviderStatus.PENDING:
            raise ValueError("it is final")
        if canceled:
            refund.status, refund.cancellation = ProviderStatus.CANCELED, canceled
            self._payment(refund.payment_id).refunded -= refund.amount.minor
        else:
            refund.status = ProviderStatus.SUCCEEDED
        return refund.snapshot()

    def tokenise(self, number: str) -> str:
        """What the widget does with a card: a token for one payment."""
        token = f"token-{self._books.new_id()}"
        self._books.tokens[token] = number
        return token

    def replace_card(self, provider_method_id: str, number: str) -> None:
        """Another number behind a saved method, e.g. one that is declined from now on."""
        self._books.methods[provider_method_id].card = number

    def revoke(self, provider_method_id: str) -> None:
        """The person withdraws the permission to charge a saved method, at the payment system."""
        self._books.methods[provider_method_id].revoked = True

    def refund_in_cabinet(self, provider_payment_id: str, amount: Money) -> RefundSnapshot:
        """A refund that somebody makes by hand in the payment system's own cabinet: it carries no id of ours."""
        payment = self._payment(provider_payment_id)
        refund = Refund(self._books.new_id(), None, payment.id, amount, self._now(), ProviderStatus.SUCCEEDED)
        payment.refunded += amount.minor
        self._books.refunds[refund.id] = refund
        return refund.snapshot()

    def notification_of(self, provider_id: str) -> bytes:
        """The body of the webhook that tells how an object stands."""
        kind, status = NotificationKind.REFUND, "succeeded"
        if payment := self._books.payments.get(provider_id):
            kind = NotificationKind.METHOD if payment.binding else NotificationKind.PAYMENT
            status = "active" if payment.binding else payment.status.value
        content = {"type": "notification", "event": f"{kind.value}.{status}", "object": {"id": provider_id}}
        return json.dumps(content).encode()

    # --- how it does it --------------------------------------------------------------------------
    def _take(self, payment: Payment, request: ChargeRequest, pending: bool) -> Refused | None:
        match request.instrument:
            case Redirect():
                self._enter(payment)
                self._wait_for_person(payment)
            case Saved(provider_method_id=method_id):
                saved = self._books.methods.get(method_id)
                if saved is None:
                    return Refused("invalid_request", "Payment method doesn't exist")
                self._enter(payment)
                self._charge_saved(payment, saved, pending)
            case Token(payment_token=token, return_url=return_url):
                number = self._books.tokens.pop(token, None)
                if number is None:
                    return Refused("invalid_request", "Payment token is unknown or was used")
                self._enter(payment)
                self._charge_card(payment, number, pending, asks=return_url is not None)
            case CardData() as card:
                self._enter(payment)
                if _expired(card, self._now()):
                    _cancel(payment, Cancellation("card_expired", "payment_network"))
                else:
                    self._charge_card(payment, card.number, pending, asks=card.return_url is not None)
        return None

    def _charge_card(self, payment: Payment, number: str, pending: bool, *, asks: bool) -> None:
        """`asks`: the person can be led through 3-D Secure."""
        payment.card = number
        if pending:
            return
        outcome = outcome_of(number)
        if outcome.decline is not None:
            _cancel(payment, outcome.decline)
        elif outcome.three_ds and asks:
            self._wait_for_person(payment)
        else:
            self._succeed(payment, number)

    def _charge_saved(self, payment: Payment, saved: SavedMethod, pending: bool) -> None:
        payment.card = saved.card
        payment.method = _method(saved.id, saved.card, saved=True)
        if pending:
            return
        outcome = outcome_of(saved.card)
        if saved.revoked:
            _cancel(payment, Cancellation("permission_revoked", "yoo_money"))
        elif outcome.decline is not None:
            _cancel(payment, outcome.decline)
        else:
            payment.status = ProviderStatus.SUCCEEDED

    def _succeed(self, payment: Payment, number: str) -> None:
        payment.status = ProviderStatus.SUCCEEDED
        payment.card = number
        if payment.method is None:
            payment.method = _method(payment.id, number, saved=payment.save_method)
            if payment.save_method:
                self._books.methods[payment.id] = SavedMethod(payment.id, number)

    def _why_no_refund(self, payment: Payment, amount: Money) -> str | None:
        left = payment.amount.minor - payment.refunded
        rules = (
            (payment.binding or payment.status is not ProviderStatus.SUCCEEDED, "Payment can't be refunded"),
            (self._now() - payment.created_at > _REFUND_WITHIN, "Payment is too old to be refunded"),
            (left == 0, "Payment is already completely refunded"),
            (amount.currency != payment.amount.currency or not 0 < amount.minor <= left, "Refund sum exceeded"),
            (
                0 < left - amount.minor < _LEAST,
                "Remaining payment amount after refund must be greater than 1.00 RUB",
            ),
        )
        return next((why for broken, why in rules if broken), None)

    def _enter(self, payment: Payment) -> None:
        payment.id = self._books.new_id()
        self._books.payments[payment.id] = payment

    def _wait_for_person(self, payment: Payment) -> None:
        payment.confirmation_url = f"{self._page_url}/pay/{payment.id}"
        payment.confirm_until = self._now() + _CONFIRM_WITHIN

    def _payment(self, provider_id: str) -> Payment:
        """The payment as of now: one that nobody confirmed in time is canceled by then."""
        payment = self._books.payments[provider_id]
        late = payment.confirm_until is not None and self._now() >= payment.confirm_until
        if late and payment.status is ProviderStatus.PENDING:
            _cancel(payment, Cancellation("expired_on_confirmation", "yoo_money"))
        return payment

    def _open(self, provider_id: str) -> Payment:
        payment = self._payment(provider_id)
        if payment.status is not ProviderStatus.PENDING:
            raise ValueError("it is final")
        return payment

    def _now(self) -> datetime:
        return self._clock.now().astimezone(UTC)


def _cancel(payment: Payment, why: Cancellation) -> None:
    payment.status, payment.cancellation = ProviderStatus.CANCELED, why


def _expired(card: CardData, now: datetime) -> bool:
    return (card.exp_year, card.exp_month) < (now.year, now.month)


def _method(method_id: str, number: str, *, saved: bool) -> ProviderMethod:
    return ProviderMethod(
        provider_method_id=method_id,
        saved=saved,
        kind="bank_card",
        title=f"Bank card *{number[-4:]}",
        first6=number[:6],
        last4=number[-4:],
        exp_month=12,
        exp_year=2099,
    )
