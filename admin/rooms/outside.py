"""Money that moved outside: written down for a subscription, once for each source and reference."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from django import forms

from admin.acts import Act, ActForm, Text, rubles
from admin.commands_api import Asked, Done
from admin.models import Subscription
from admin.present import present
from admin.wording import said, say

_PATH = "/internal/v1/subscriptions"


class _MovedForm(ActForm):
    amount = forms.DecimalField(
        label=say("Amount, ₽"), min_value=Decimal("0.01"), max_digits=12, decimal_places=2, localize=True
    )
    moved_at = forms.DateTimeField(label=say("When, by your clock"))
    source = forms.CharField(label=say("Source"), max_length=200, help_text=say("Such as appstore, or a bank's name"))
    reference = forms.CharField(
        label=say("Reference"), max_length=200, help_text=say("Its number there: the same one is booked once")
    )

    sent_as = {  # noqa: RUF012 - the base says ClassVar
        "amount.value": "amount",
        "paid_at": "moved_at",
        "refunded_at": "moved_at",
    }

    def clean_moved_at(self) -> datetime:
        """Postgres and the API reckon by UTC, where the first and the last hours there are do not exist."""
        moved_at: datetime = self.cleaned_data["moved_at"]
        try:
            return moved_at.astimezone(UTC)
        except OverflowError:
            raise forms.ValidationError(said("There is no such instant.")) from None


class PaidForm(_MovedForm):
    pass


class ReturnedForm(_MovedForm):
    payment_reference = forms.CharField(label=say("Reference of the payment"), max_length=200)


class _Record(Act):
    permission = "billing.record_external_money"

    def initial(self, target: Subscription) -> dict[str, Any]:
        return {"moved_at": present()}

    def told(self, target: Subscription, answer: Done) -> Text:
        return said("It was written down" if answer.status == 201 else "It was written down before")


class RecordPayment(_Record):
    name = "external-payment"
    title = say("A payment made outside")
    button = say("Record a payment made outside")
    explanation = say("What an app store or a bank was paid for this subscription counts as its payment.")
    form = PaidForm

    def is_possible(self, target: Subscription, now: datetime) -> bool:
        return not target.has_ended

    def ask(self, target: Subscription, given: Mapping[str, Any], key: str) -> Asked:
        body = {**_moved(given), "paid_at": given["moved_at"].isoformat()}
        return Asked("POST", f"{_PATH}/{target.pk}/external-payments", body, key)


class RecordRefund(_Record):
    name = "external-refund"
    title = say("A refund made outside")
    button = say("Record a refund made outside")
    explanation = say("What an app store or a bank has returned of a payment that was written down here.")
    form = ReturnedForm

    def is_possible(self, target: Subscription, now: datetime) -> bool:
        return target.payments.filter(user_id=target.user_id, kind="external").exists()

    def ask(self, target: Subscription, given: Mapping[str, Any], key: str) -> Asked:
        own = {"refunded_at": given["moved_at"].isoformat(), "payment_reference": given["payment_reference"]}
        return Asked("POST", f"{_PATH}/{target.pk}/external-refunds", {**_moved(given), **own}, key)


def _moved(given: Mapping[str, Any]) -> dict[str, Any]:
    return {"amount": rubles(given["amount"]), "source": given["source"], "reference": given["reference"]}
