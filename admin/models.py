"""Mirrors of the billing tables, for reading only: alembic owns them, and Postgres refuses to write through here.

Columns that nobody is shown have no field: settings of payment systems, sealed tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import ClassVar, Self

from django.db import models

from admin.wording import say

Choices = Sequence[tuple[str, str]]


def _choices(*values: str) -> Choices:
    return [(value, say(value)) for value in values]


SUBSCRIPTION_STATUS = _choices("pending", "trialing", "active", "past_due", "canceled", "expired")
MONEY_STATUS = _choices("pending", "succeeded", "canceled", "unknown")
PAYMENT_KIND = _choices("first", "renewal", "plan_change", "binding", "external")
REFUND_ORIGIN = _choices("person", "internal", "late_money", "cabinet", "external")
MAIL_STATUS = _choices("owed", "sent", "undeliverable")
ACTOR = _choices("user", "service", "admin", "system", "payment_system")
PERIOD_UNIT = _choices("day", "week", "month", "year")


class Mirror(models.Model):
    objects: ClassVar[models.Manager[Self]] = models.Manager()

    class Meta:
        abstract = True
        managed = False
        default_permissions: ClassVar[tuple[str, ...]] = ("view",)


class Person(Mirror):
    id = models.UUIDField(primary_key=True)
    email = models.TextField(say("e-mail"), null=True)
    name = models.TextField(say("name"), null=True)
    locale = models.TextField(say("language"), null=True)
    zone = models.TextField(say("time zone"), null=True)
    erased_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(say("known since"))

    class Meta(Mirror.Meta):
        db_table = "users"
        verbose_name = say("user")
        verbose_name_plural = say("users")

    def __str__(self) -> str:
        return self.email or self.name or str(self.id)


class Plan(Mirror):
    id = models.UUIDField(primary_key=True)
    code = models.TextField(say("code"))
    name = models.TextField(say("name"))
    description = models.TextField(say("description"))
    period_unit = models.TextField(choices=PERIOD_UNIT)
    period_count = models.SmallIntegerField()
    trial_days = models.SmallIntegerField(say("trial days"))
    available = models.BooleanField(say("for sale"))
    archived_at = models.DateTimeField(say("archived"), null=True)
    created_at = models.DateTimeField(say("created"))

    class Meta(Mirror.Meta):
        db_table = "plans"
        default_permissions: ClassVar[tuple[str, ...]] = ("view", "add", "change", "delete")
        verbose_name = say("plan")
        verbose_name_plural = say("plans")

    def __str__(self) -> str:
        return self.name


class PlanPrice(Mirror):
    pk = models.CompositePrimaryKey("plan_id", "valid_from")
    plan = models.ForeignKey(Plan, models.DO_NOTHING, related_name="prices")
    valid_from = models.DateTimeField()
    amount = models.BigIntegerField()
    currency = models.TextField()

    class Meta(Mirror.Meta):
        db_table = "plan_prices"
        default_permissions: ClassVar[tuple[str, ...]] = ()


class PaymentSystem(Mirror):
    id = models.UUIDField(primary_key=True)
    code = models.TextField(say("code"))
    name = models.TextField(say("name"))
    adapter = models.TextField(say("adapter"))
    enabled = models.BooleanField(say("enabled"))
    used = models.BooleanField(say("was paid through"))
    archived_at = models.DateTimeField(say("archived"), null=True)

    class Meta(Mirror.Meta):
        db_table = "payment_systems"
        default_permissions: ClassVar[tuple[str, ...]] = ("view", "add", "change", "delete")
        verbose_name = say("payment system")
        verbose_name_plural = say("payment systems")

    def __str__(self) -> str:
        return self.name


class PaymentMethod(Mirror):
    id = models.UUIDField(primary_key=True)
    user = models.ForeignKey(Person, models.DO_NOTHING, related_name="methods")
    payment_system = models.TextField()
    kind = models.TextField()
    title = models.TextField()
    is_default = models.BooleanField()
    created_at = models.DateTimeField()
    removed_at = models.DateTimeField(null=True)

    class Meta(Mirror.Meta):
        db_table = "payment_methods"
        default_permissions: ClassVar[tuple[str, ...]] = ()

    def __str__(self) -> str:
        return self.title


class Subscription(Mirror):
    id = models.UUIDField(primary_key=True)
    user = models.ForeignKey(Person, models.DO_NOTHING, related_name="subscriptions", verbose_name=say("user"))
    plan = models.ForeignKey(Plan, models.DO_NOTHING, related_name="subscriptions", verbose_name=say("plan"))
    next_plan = models.ForeignKey(Plan, models.DO_NOTHING, null=True, related_name="+", verbose_name=say("next plan"))
    status = models.TextField(say("status"), choices=SUBSCRIPTION_STATUS)
    payment_system = models.TextField(say("payment system"))
    payment_method = models.ForeignKey(PaymentMethod, models.DO_NOTHING, null=True, related_name="+")
    period_number = models.IntegerField()
    period_start = models.DateTimeField(null=True)
    period_end = models.DateTimeField(say("period until"), null=True)
    cancel_at_period_end = models.BooleanField()
    next_charge_at = models.DateTimeField(say("next charge"), null=True)
    open_payment_id = models.UUIDField(null=True)
    refunding = models.BooleanField()
    first_failed_at = models.DateTimeField(null=True)
    failed_tries = models.SmallIntegerField()
    balance = models.BigIntegerField()
    currency = models.TextField()
    created_at = models.DateTimeField(say("created"))
    ended_at = models.DateTimeField(say("ended"), null=True)
    cancel_reason = models.TextField(null=True)

    class Meta(Mirror.Meta):
        db_table = "subscriptions"
        permissions = (
            ("cancel_subscription", "Can cancel a subscription"),
            ("renew_subscription", "Can retry a charge"),
            ("send_payment_link", "Can make a payment link"),
            ("record_external_money", "Can record what was paid or returned outside"),
        )
        verbose_name = say("subscription")
        verbose_name_plural = say("subscriptions")

    def __str__(self) -> str:
        return str(self.id)

    @property
    def has_ended(self) -> bool:
        return self.ended_at is not None

    def can_be_charged(self, now: datetime) -> bool:
        """Whether a charge could be tried now: it is due, or waits for its next try. The API has the last word."""
        if self.next_charge_at is None or self.open_payment_id is not None or self.refunding:
            return False
        return self.next_charge_at <= now or self.status == "past_due"


class Payment(Mirror):
    id = models.UUIDField(primary_key=True)
    user = models.ForeignKey(Person, models.DO_NOTHING, related_name="payments", verbose_name=say("user"))
    subscription = models.ForeignKey(
        Subscription, models.DO_NOTHING, related_name="payments", verbose_name=say("subscription")
    )
    plan = models.ForeignKey(Plan, models.DO_NOTHING, related_name="+", verbose_name=say("plan"))
    kind = models.TextField(say("kind"), choices=PAYMENT_KIND)
    attempt = models.IntegerField()
    status = models.TextField(say("status"), choices=MONEY_STATUS)
    amount = models.BigIntegerField(say("amount"))
    currency = models.TextField()
    refunded = models.BigIntegerField(say("returned"))
    refund_reserved = models.BigIntegerField()
    credited = models.BigIntegerField()
    period_start = models.DateTimeField(null=True)
    period_end = models.DateTimeField(null=True)
    description = models.TextField()
    payment_system = models.TextField(say("payment system"), null=True)
    payment_method = models.ForeignKey(PaymentMethod, models.DO_NOTHING, null=True, related_name="+")
    provider_payment_id = models.TextField(say("id at the payment system"), null=True)
    confirmation_url = models.TextField(null=True)
    cancel_reason = models.TextField(null=True)
    cancel_party = models.TextField(null=True)
    source = models.TextField(null=True)
    reference = models.TextField(null=True)
    created_at = models.DateTimeField(say("created"))
    settled_at = models.DateTimeField(say("settled"), null=True)
    asks = models.IntegerField()
    ask_again_at = models.DateTimeField(null=True)
    last_silence = models.TextField(null=True)

    class Meta(Mirror.Meta):
        db_table = "payments"
        permissions = (("refund_payment", "Can return a payment"),)
        verbose_name = say("payment")
        verbose_name_plural = say("payments")

    def __str__(self) -> str:
        return str(self.id)

    @property
    def left_to_refund(self) -> int:
        """Minor units; nothing of what has not come, or came from outside, and not what lives on as credit."""
        if self.status != "succeeded" or self.kind == "external":
            return 0
        return self.amount - self.refunded - self.refund_reserved - self.credited


class Refund(Mirror):
    id = models.UUIDField(primary_key=True)
    payment = models.ForeignKey(Payment, models.DO_NOTHING, related_name="refunds", verbose_name=say("payment"))
    subscription = models.ForeignKey(Subscription, models.DO_NOTHING, related_name="+")
    user = models.ForeignKey(Person, models.DO_NOTHING, related_name="refunds", verbose_name=say("user"))
    amount = models.BigIntegerField(say("amount"))
    currency = models.TextField()
    status = models.TextField(say("status"), choices=MONEY_STATUS)
    origin = models.TextField(say("asked by"), choices=REFUND_ORIGIN)
    ends_subscription = models.BooleanField()
    reason = models.TextField(say("reason"), null=True)
    payment_system = models.TextField(null=True)
    provider_refund_id = models.TextField(say("id at the payment system"), null=True)
    cancel_reason = models.TextField(null=True)
    cancel_party = models.TextField(null=True)
    reference = models.TextField(null=True)
    created_at = models.DateTimeField(say("created"))
    settled_at = models.DateTimeField(say("settled"), null=True)
    last_silence = models.TextField(null=True)

    class Meta(Mirror.Meta):
        db_table = "refunds"
        verbose_name = say("refund")
        verbose_name_plural = say("refunds")

    def __str__(self) -> str:
        return str(self.id)


class Event(Mirror):
    id = models.UUIDField(primary_key=True)
    at = models.DateTimeField(say("when"))
    type = models.TextField(say("what"))
    user_id = models.UUIDField()
    subscription_id = models.UUIDField()
    payment_id = models.UUIDField(null=True)
    refund_id = models.UUIDField(null=True)
    actor_kind = models.TextField(say("by"), choices=ACTOR)
    actor_id = models.TextField()
    request_id = models.TextField(null=True)
    data = models.JSONField()

    class Meta(Mirror.Meta):
        db_table = "events"
        verbose_name = say("event")
        verbose_name_plural = say("events")

    def __str__(self) -> str:
        return self.type


class Case(Mirror):
    id = models.UUIDField(primary_key=True)
    kind = models.TextField(say("kind"))
    subject = models.TextField(say("about"))
    detail = models.TextField(say("what was found"))
    user_id = models.UUIDField(null=True)
    payment_id = models.UUIDField(null=True)
    refund_id = models.UUIDField(null=True)
    facts = models.JSONField()
    seen = models.IntegerField(say("times seen"))
    opened_at = models.DateTimeField(say("opened"))
    resolved_at = models.DateTimeField(say("resolved"), null=True)
    resolution = models.TextField(say("resolution"), null=True)

    class Meta(Mirror.Meta):
        db_table = "cases"
        permissions = (("resolve_case", "Can resolve a case"),)
        verbose_name = say("case")
        verbose_name_plural = say("cases")

    def __str__(self) -> str:
        return self.kind


class Mail(Mirror):
    id = models.UUIDField(primary_key=True)
    user_id = models.UUIDField()
    events = models.TextField(say("tells"))
    object_id = models.UUIDField()
    status = models.TextField(say("status"), choices=MAIL_STATUS)
    attempts = models.IntegerField(say("tries"))
    created_at = models.DateTimeField(say("created"))
    sent_at = models.DateTimeField(say("sent"), null=True)
    last_error = models.TextField(null=True)

    class Meta(Mirror.Meta):
        db_table = "mails"
        verbose_name = say("mail")
        verbose_name_plural = say("mails")

    def __str__(self) -> str:
        return self.events
