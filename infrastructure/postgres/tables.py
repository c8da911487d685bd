"""The schema as SQLAlchemy sees it; alembic owns the real one, and `alembic check` holds the two together."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, UUID

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

_NOW = text("clock_timestamp()")


def _id() -> Column[Any]:
    return Column("id", UUID(as_uuid=True), primary_key=True)


def _time(name: str, *, required: bool = False, **more: Any) -> Column[Any]:
    return Column(name, DateTime(timezone=True), nullable=not required, **more)


def _text(name: str, *, required: bool = False, **more: Any) -> Column[Any]:
    return Column(name, Text, nullable=not required, **more)


def _ref(name: str, target: str, *, required: bool = False) -> Column[Any]:
    return Column(name, UUID(as_uuid=True), ForeignKey(target), nullable=not required)


def _version() -> Column[Any]:
    return Column("version", BigInteger, nullable=False, server_default=text("1"))


def _one_of(column: str, *values: str) -> CheckConstraint:
    listed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({listed})", name=column)


def _asked_while_open() -> CheckConstraint:
    """Whatever is open has an instant by either clock at which the janitor looks at it (invariant 4)."""
    planned = "ask_again_at IS NOT NULL AND ask_again_by IS NOT NULL"
    none = "ask_again_at IS NULL AND ask_again_by IS NULL"
    return CheckConstraint(
        f"CASE WHEN status IN ('pending', 'unknown') THEN {planned} ELSE {none} END", name="asked_while_open"
    )


users = Table(
    "users",
    metadata,
    _id(),
    _text("email"),
    _text("name"),
    _text("locale"),
    _text("zone"),
    Column("version", BigInteger, nullable=False, server_default=text("0")),
    _time("refreshed_at"),
    _time("erased_at"),
    _time("created_at", required=True, server_default=_NOW),
    Index("ix_users_email", text("upper(email) text_pattern_ops")),
    comment="Persons as the auth service describes them (AUTH-5). The row is also the lock that every transaction about "
    "one person's money takes first; version counts each change of what they bought or paid, projections carry it.",
)

plans = Table(
    "plans",
    metadata,
    _id(),
    _text("code", required=True),
    _text("name", required=True),
    _text("description", required=True, server_default=text("''")),
    _text("period_unit", required=True),
    Column("period_count", SmallInteger, nullable=False),
    Column("trial_days", SmallInteger, nullable=False, server_default=text("0")),
    Column("available", Boolean, nullable=False, server_default=text("true")),
    _time("archived_at"),
    _time("created_at", required=True, server_default=_NOW),
    _version(),
    _one_of("period_unit", "day", "week", "month", "year"),
    CheckConstraint("period_count BETWEEN 1 AND 366", name="period_count"),
    CheckConstraint("trial_days BETWEEN 0 AND 366", name="trial_days"),
    CheckConstraint("length(code) BETWEEN 1 AND 64", name="code"),
    UniqueConstraint("code"),
    comment="What is sold (SUB-1). A plan that is in use is archived, never deleted.",
)

plan_prices = Table(
    "plan_prices",
    metadata,
    Column("plan_id", UUID(as_uuid=True), ForeignKey("plans.id", ondelete="CASCADE"), primary_key=True),
    Column("valid_from", DateTime(timezone=True), primary_key=True),
    Column("amount", BigInteger, nullable=False),
    _text("currency", required=True),
    CheckConstraint("amount > 0", name="amount"),
    CheckConstraint("currency ~ '^[A-Z]{3}$'", name="currency"),
    comment="Prices of plans in minor units, each valid from its instant until the next. The one that is set last takes "
    "back what lies ahead of it; what held before stays, so a payment's price can be explained for ever.",
)

payment_systems = Table(
    "payment_systems",
    metadata,
    _id(),
    _text("code", required=True),
    _text("name", required=True),
    _text("adapter", required=True),
    Column("enabled", Boolean, nullable=False, server_default=text("true")),
    Column("settings", JSONB, nullable=False, server_default=text("'{}'::jsonb")),
    Column("used", Boolean, nullable=False, server_default=text("false")),
    _time("archived_at"),
    _version(),
    UniqueConstraint("code"),
    comment="Registry of payment systems (PAY-11): a code that callers name, the adapter that speaks to it, settings of its "
    "own by name, each sealed. One that was used is archived, never deleted.",
)

payment_methods = Table(
    "payment_methods",
    metadata,
    _id(),
    _ref("user_id", "users.id", required=True),
    _text("payment_system", required=True),
    _text("provider_method_id", required=True),
    _text("kind", required=True),
    _text("title", required=True),
    _text("first6"),
    _text("last4"),
    Column("exp_month", SmallInteger),
    Column("exp_year", SmallInteger),
    Column("is_default", Boolean, nullable=False, server_default=text("false")),
    _time("created_at", required=True),
    _time("removed_at"),
    _version(),
    UniqueConstraint("user_id", "payment_system", "provider_method_id"),
    Index("uq_payment_methods_default", "user_id", unique=True, postgresql_where=text("is_default")),
    CheckConstraint("NOT (is_default AND removed_at IS NOT NULL)", name="removed_is_no_default"),
    CheckConstraint("first6 ~ '^[0-9]{6}$' AND last4 ~ '^[0-9]{4}$'", name="shown_digits"),
    comment="Link between a person and their token at a payment system (PAY-12). A removed one stays for the books and "
    "is never charged again.",
)

cards = Table(
    "cards",
    metadata,
    _id(),
    _ref("user_id", "users.id", required=True),
    _text("first6", required=True),
    _text("last4", required=True),
    Column("exp_month", SmallInteger, nullable=False),
    Column("exp_year", SmallInteger, nullable=False),
    _text("fingerprint"),
    Column("sealed", LargeBinary),
    _text("key_id"),
    _time("created_at", required=True),
    _time("removed_at"),
    _version(),
    CheckConstraint("first6 ~ '^[0-9]{6}$' AND last4 ~ '^[0-9]{4}$'", name="shown_digits"),
    CheckConstraint("exp_month BETWEEN 1 AND 12", name="exp_month"),
    CheckConstraint("exp_year BETWEEN 2000 AND 2999", name="exp_year"),
    CheckConstraint(
        "CASE WHEN removed_at IS NULL THEN num_nulls(fingerprint, sealed, key_id) = 0 "
        "ELSE num_nonnulls(fingerprint, sealed, key_id) = 0 END",
        name="removed_keeps_no_secret",
    ),
    # What stands there is a blob of the vault, under the key that the row names: never a number as it was entered.
    CheckConstraint(
        "octet_length(sealed) > 92 AND substring(sealed FROM 1 FOR 3) = '\\x435601'::bytea "
        "AND substring(sealed FROM 5 FOR get_byte(sealed, 3)) = convert_to(key_id, 'UTF8')",
        name="sealed",
    ),
    CheckConstraint("fingerprint ~ '^.+:[0-9a-f]{64}$'", name="fingerprint"),
    Index("uq_cards_kept", "user_id", "fingerprint", unique=True, postgresql_where=text("removed_at IS NULL")),
    Index("ix_cards_user", "user_id", text("created_at DESC"), text("id DESC")),
    Index("ix_cards_key", "key_id", "id", postgresql_where=text("key_id IS NOT NULL")),
    comment="Persons' stored cards (PAY-13): number and holder sealed by the vault under key_id, fingerprint an HMAC of the "
    "number. A CVC stands nowhere. A removed card stays for the payments that name it and keeps no secret.",
)

subscriptions = Table(
    "subscriptions",
    metadata,
    _id(),
    _ref("user_id", "users.id", required=True),
    _ref("plan_id", "plans.id", required=True),
    _text("status", required=True),
    _text("zone", required=True),
    _text("payment_system", required=True),
    _ref("payment_method_id", "payment_methods.id"),
    Column("period_number", Integer, nullable=False),
    _time("period_start"),
    _time("period_end"),
    _time("anchor_at"),
    Column("cancel_at_period_end", Boolean, nullable=False),
    _time("next_charge_at"),
    _time("remind_at"),
    _time("end_at"),
    Column("open_payment_id", UUID(as_uuid=True)),
    Column("refunding", Boolean, nullable=False),
    _time("first_failed_at"),
    Column("failed_tries", SmallInteger, nullable=False),
    Column("balance", BigInteger, nullable=False),
    Column("period_credit", BigInteger, nullable=False, server_default=text("0")),
    _ref("next_plan_id", "plans.id"),
    _ref("trial_plan_id", "plans.id"),
    _text("currency", required=True),
    _time("created_at", required=True),
    _time("ended_at"),
    _text("cancel_reason"),
    _time("claimed_until"),
    _version(),
    _one_of("status", "pending", "trialing", "active", "past_due", "canceled", "expired"),
    CheckConstraint("period_start < period_end", name="period"),
    CheckConstraint("(status IN ('canceled', 'expired')) = (ended_at IS NOT NULL)", name="ended"),
    CheckConstraint("status <> 'active' OR period_end IS NOT NULL", name="active_has_period"),
    CheckConstraint(
        "ended_at IS NULL OR (next_charge_at IS NULL AND remind_at IS NULL AND end_at IS NULL)", name="ended_is_quiet"
    ),
    CheckConstraint("balance >= 0", name="balance"),
    CheckConstraint("period_credit >= 0", name="period_credit"),
    CheckConstraint("next_plan_id <> plan_id", name="next_plan"),
    Index(
        "uq_subscriptions_one_running",
        "user_id",
        "plan_id",
        unique=True,
        postgresql_where=text("status NOT IN ('canceled', 'expired')"),
    ),
    Index(
        "uq_subscriptions_one_trial",
        "trial_plan_id",
        "user_id",
        unique=True,
        postgresql_where=text("trial_plan_id IS NOT NULL"),
    ),
    Index("ix_subscriptions_user", "user_id", "created_at"),
    Index("ix_subscriptions_plan", "plan_id"),
    Index("ix_subscriptions_next_plan", "next_plan_id", postgresql_where=text("next_plan_id IS NOT NULL")),
    Index("ix_subscriptions_method", "payment_method_id", postgresql_where=text("payment_method_id IS NOT NULL")),
    Index(
        "ix_subscriptions_due",
        "next_charge_at",
        postgresql_where=text("next_charge_at IS NOT NULL AND open_payment_id IS NULL AND NOT refunding"),
    ),
    Index("ix_subscriptions_remind", "remind_at", postgresql_where=text("remind_at IS NOT NULL")),
    Index("ix_subscriptions_end", "end_at", postgresql_where=text("end_at IS NOT NULL AND open_payment_id IS NULL")),
    comment="What one person has of one plan. Time is served by three instants: next_charge_at, remind_at, end_at. "
    "claimed_until (by the wall clock) keeps two workers from taking the same one; a crash lets it lapse.",
)

payments = Table(
    "payments",
    metadata,
    _id(),
    _ref("user_id", "users.id", required=True),
    _ref("subscription_id", "subscriptions.id", required=True),
    _ref("plan_id", "plans.id", required=True),
    _text("kind", required=True),
    Column("attempt", Integer, nullable=False),
    _text("status", required=True),
    Column("amount", BigInteger, nullable=False),
    Column("credit", BigInteger, nullable=False, server_default=text("0")),
    _text("currency", required=True),
    Column("refunded", BigInteger, nullable=False),
    Column("refund_reserved", BigInteger, nullable=False),
    Column("credited", BigInteger, nullable=False, server_default=text("0")),
    Column("period_number", Integer, nullable=False),
    _time("period_start"),
    _time("period_end"),
    _text("description", required=True),
    _text("pays_with", required=True),
    Column("by_person", Boolean, nullable=False),
    _text("payment_system"),
    _text("return_url"),
    Column("sealed_token", LargeBinary),
    _ref("card_id", "cards.id"),
    _ref("payment_method_id", "payment_methods.id"),
    _text("provider_method_id"),
    _text("provider_payment_id"),
    _text("confirmation_url"),
    _text("cancel_reason"),
    _text("cancel_party"),
    _text("source"),
    _text("reference"),
    _time("created_at", required=True),
    _time("sent_by", required=True, server_default=_NOW),
    _time("settled_at"),
    Column("key_lapsed", Boolean, nullable=False, server_default=text("false")),
    Column("asks", Integer, nullable=False),
    _time("ask_again_at"),
    _time("ask_again_by"),
    _time("claimed_until"),
    _text("last_silence"),
    _version(),
    _one_of("kind", "first", "renewal", "plan_change", "binding", "external"),
    _one_of("status", "pending", "succeeded", "canceled", "unknown"),
    _one_of("pays_with", "redirect", "token", "saved", "card", "outside"),
    CheckConstraint("(pays_with = 'card') = (card_id IS NOT NULL)", name="card"),
    CheckConstraint("amount >= 0", name="amount"),
    CheckConstraint("credit >= 0", name="credit"),
    CheckConstraint(
        "refunded >= 0 AND refund_reserved >= 0 AND credited >= 0 AND refunded + refund_reserved + credited <= amount",
        name="refunds",
    ),
    CheckConstraint("(status IN ('succeeded', 'canceled')) = (settled_at IS NOT NULL)", name="settled"),
    _asked_while_open(),
    CheckConstraint("status <> 'canceled' OR cancel_reason IS NOT NULL", name="canceled_has_reason"),
    CheckConstraint("(kind = 'external') = (source IS NOT NULL AND reference IS NOT NULL)", name="external"),
    # Invariant 3, the heart of the schema: a period is paid at most once, and while one payment of a
    # subscription has not ended no other begins. Money that came too late has no period: it is returned.
    Index(
        "uq_payments_one_per_period",
        "subscription_id",
        "period_number",
        unique=True,
        postgresql_where=text(
            "status IN ('pending', 'unknown') OR (status = 'succeeded' AND period_start IS NOT NULL)"
        ),
    ),
    Index(
        "uq_payments_one_open",
        "subscription_id",
        unique=True,
        postgresql_where=text("status IN ('pending', 'unknown')"),
    ),
    Index(
        "uq_payments_provider",
        "payment_system",
        "provider_payment_id",
        unique=True,
        postgresql_where=text("provider_payment_id IS NOT NULL"),
    ),
    Index("uq_payments_reference", "source", "reference", unique=True, postgresql_where=text("reference IS NOT NULL")),
    Index("ix_payments_user", "user_id", text("created_at DESC"), text("id DESC")),
    Index("ix_payments_created", "created_at"),
    Index("ix_payments_plan", "plan_id"),
    Index("ix_payments_method", "payment_method_id", postgresql_where=text("payment_method_id IS NOT NULL")),
    Index("ix_payments_card", "card_id", postgresql_where=text("card_id IS NOT NULL")),
    Index("ix_payments_ask_at", "ask_again_at", postgresql_where=text("ask_again_at IS NOT NULL")),
    Index("ix_payments_ask_by", "ask_again_by", postgresql_where=text("ask_again_by IS NOT NULL")),
    comment="Each try to collect money, written before anybody is asked for it (invariant 1). ask_again_at (the "
    "service's clock) and ask_again_by (the wall clock) are the janitor's; sealed_token is encrypted and goes when the "
    "payment ends. Minor units.",
)

refunds = Table(
    "refunds",
    metadata,
    _id(),
    _ref("payment_id", "payments.id", required=True),
    _ref("subscription_id", "subscriptions.id", required=True),
    _ref("user_id", "users.id", required=True),
    Column("amount", BigInteger, nullable=False),
    _text("currency", required=True),
    _text("status", required=True),
    _text("origin", required=True),
    Column("ends_subscription", Boolean, nullable=False),
    _text("reason"),
    _text("payment_system"),
    _text("provider_refund_id"),
    _text("cancel_reason"),
    _text("cancel_party"),
    _text("source"),
    _text("reference"),
    _time("created_at", required=True),
    Column("key_number", Integer, nullable=False),
    _time("key_since", required=True),
    Column("key_lapsed", Boolean, nullable=False, server_default=text("false")),
    _time("sent_by", server_default=_NOW),
    _time("settled_at"),
    Column("asks", Integer, nullable=False),
    _time("ask_again_at"),
    _time("ask_again_by"),
    _time("claimed_until"),
    _text("last_silence"),
    _version(),
    _one_of("status", "pending", "succeeded", "canceled", "unknown"),
    _one_of("origin", "person", "internal", "late_money", "cabinet", "external"),
    CheckConstraint("amount > 0", name="amount"),
    CheckConstraint("(status IN ('succeeded', 'canceled')) = (settled_at IS NOT NULL)", name="settled"),
    _asked_while_open(),
    CheckConstraint("(origin = 'external') = (source IS NOT NULL AND reference IS NOT NULL)", name="external"),
    Index(
        "uq_refunds_one_open",
        "payment_id",
        unique=True,
        postgresql_where=text("status IN ('pending', 'unknown')"),
    ),
    Index(
        "uq_refunds_provider",
        "payment_system",
        "provider_refund_id",
        unique=True,
        postgresql_where=text("provider_refund_id IS NOT NULL"),
    ),
    Index("uq_refunds_reference", "source", "reference", unique=True, postgresql_where=text("reference IS NOT NULL")),
    Index("ix_refunds_payment", "payment_id"),
    Index("ix_refunds_subscription", "subscription_id"),
    Index("ix_refunds_user", "user_id"),
    Index("ix_refunds_created", "created_at"),
    Index("ix_refunds_ask_at", "ask_again_at", postgresql_where=text("ask_again_at IS NOT NULL")),
    Index("ix_refunds_ask_by", "ask_again_by", postgresql_where=text("ask_again_by IS NOT NULL")),
    comment="Money on its way back, reserved on its payment before anybody is asked (invariant 7). Minor units.",
)

events = Table(
    "events",
    metadata,
    Column("id", UUID(as_uuid=True), primary_key=True),
    Column("at", DateTime(timezone=True), primary_key=True),
    _text("type", required=True),
    Column("user_id", UUID(as_uuid=True), nullable=False),
    Column("subscription_id", UUID(as_uuid=True), nullable=False),
    Column("payment_id", UUID(as_uuid=True)),
    Column("refund_id", UUID(as_uuid=True)),
    _text("actor_kind", required=True),
    _text("actor_id", required=True),
    _text("request_id"),
    Column("data", JSONB, nullable=False),
    _one_of("actor_kind", "user", "service", "admin", "system", "payment_system"),
    Index("ix_events_subscription", "subscription_id", text("at DESC"), text("id DESC")),
    Index("ix_events_user", "user_id", text("at DESC"), text("id DESC")),
    comment="What has happened, for ever (SUB-7). Append-only: a trigger refuses UPDATE and DELETE. No foreign keys to or "
    "from it (NFR-2); its key carries the time, so that it can be partitioned by month without a change of key.",
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    _text("projection", required=True),
    Column("user_id", UUID(as_uuid=True), nullable=False),
    Column("object_id", UUID(as_uuid=True), nullable=False),
    Column("version", BigInteger, nullable=False),
    _time("created_at", required=True, server_default=_NOW),
    _time("retry_by"),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    _one_of("projection", "history", "access"),
    Index("ix_outbox_fresh", "projection", "id", postgresql_where=text("retry_by IS NULL")),
    comment="What the projector still has to carry into Elasticsearch (history) and Redis (access). A queue: taken with "
    "SKIP LOCKED, removed when done, never read by 'id greater than the last' (invariant 8). Times are the wall clock's.",
)

mails = Table(
    "mails",
    metadata,
    _id(),
    Column("user_id", UUID(as_uuid=True), nullable=False),
    _text("events", required=True),
    Column("object_id", UUID(as_uuid=True), nullable=False),
    Column("facts", JSONB, nullable=False),
    _text("request_id"),
    _text("status", required=True, server_default=text("'owed'")),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    _time("retry_by", server_default=_NOW),
    _time("created_at", required=True),
    _time("sent_at"),
    _text("last_error"),
    _time("refused_since"),
    _one_of("status", "owed", "sent", "undeliverable"),
    CheckConstraint("(status = 'owed') = (retry_by IS NOT NULL)", name="owed"),
    Index("ix_mails_owed", "retry_by", postgresql_where=text("retry_by IS NOT NULL")),
    Index("ix_mails_user", "user_id"),
    comment="Mails owed and sent, one for each outcome that a person waits for (invariant 10). A queue by retry_by, which "
    "is the wall clock's and also the lease of the worker that sends it. refused_since is the wall clock's too: since when "
    "the mail server has answered every try with a refusal.",
)

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("caller", Text, primary_key=True),
    Column("route", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("fingerprint", LargeBinary, nullable=False),
    _time("created_at", required=True),
    _time("leased_until", required=True),
    Column("operation_id", UUID(as_uuid=True)),
    Column("reply_status", SmallInteger),
    Column("reply_headers", JSONB),
    Column("reply_body", LargeBinary),
    CheckConstraint("length(key) BETWEEN 1 AND 255", name="key"),
    CheckConstraint(
        "(reply_status IS NULL) = (reply_body IS NULL) AND (reply_status IS NULL) = (reply_headers IS NULL)",
        name="reply",
    ),
    Index("ix_idempotency_keys_created", "created_at"),
    comment="Mutating requests by their Idempotency-Key (invariant 9): the reply once there is one, else the operation that "
    "the next try goes on with after leased_until (the wall clock's).",
)

inbox = Table(
    "inbox",
    metadata,
    _id(),
    _text("payment_system", required=True),
    _text("kind", required=True),
    _text("event", required=True),
    _text("provider_object_id", required=True),
    Column("digest", LargeBinary, nullable=False),
    _text("body", required=True),
    Column("received", Integer, nullable=False, server_default=text("1")),
    _time("received_at", required=True, server_default=_NOW),
    _text("status", required=True, server_default=text("'new'")),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    _time("retry_by", server_default=_NOW),
    _time("done_at"),
    _text("outcome"),
    Column("stranger", Boolean, nullable=False, server_default=text("false")),
    _one_of("status", "new", "done", "set_aside"),
    CheckConstraint("(status = 'new') = (retry_by IS NOT NULL)", name="waiting"),
    UniqueConstraint("payment_system", "digest"),
    Index("ix_inbox_waiting", "stranger", "retry_by", postgresql_where=text("retry_by IS NOT NULL")),
    Index("ix_inbox_received", "received_at"),
    Index(
        "ix_inbox_set_aside",
        "payment_system",
        "provider_object_id",
        postgresql_where=text("status = 'set_aside'"),
    ),
    comment="Notifications of payment systems, each content once (invariant 5). A hint only: the object is fetched before "
    "anything is believed. retry_by is the wall clock's and also the lease of the worker that looks at it.",
)

cases = Table(
    "cases",
    metadata,
    _id(),
    _text("kind", required=True),
    _text("subject", required=True),
    _text("detail", required=True),
    Column("user_id", UUID(as_uuid=True)),
    Column("payment_id", UUID(as_uuid=True)),
    Column("refund_id", UUID(as_uuid=True)),
    Column("facts", JSONB, nullable=False),
    Column("seen", Integer, nullable=False, server_default=text("1")),
    _time("opened_at", required=True),
    _time("resolved_at"),
    _text("resolution"),
    Index("uq_cases_open", "kind", "subject", unique=True, postgresql_where=text("resolved_at IS NULL")),
    Index("ix_cases_payment", "payment_id"),
    comment="What a person has to look at: outcomes that stay unknown, late news about final states, money that does not "
    "add up. Nothing is given up silently (invariant 4).",
)

setbacks = Table(
    "setbacks",
    metadata,
    Column("duty", Text, primary_key=True),
    Column("object_id", UUID(as_uuid=True), primary_key=True),
    Column("failures", Integer, nullable=False),
    _text("last_error", required=True),
    _time("retry_at", required=True),
    _time("retry_by", required=True),
    CheckConstraint("failures > 0", name="failures"),
    comment="Duties of the workers that failed for one object, which steps aside until retry_at (the service's clock) or "
    "retry_by (the wall clock's), whichever comes first. Gone once it is done; after a few failures there is a case.",
)

held_clock = Table(
    "held_clock",
    metadata,
    Column("one", Boolean, primary_key=True, server_default=text("true")),
    _time("now", required=True),
    CheckConstraint("one", name="one_row"),
    comment="The time machine of local mode and tests: one row with the present. Empty, and refused, in production.",
)

reconciliations = Table(
    "reconciliations",
    metadata,
    Column("payment_system", Text, primary_key=True),
    Column("day", Date, primary_key=True),
    Column("passes", Integer, nullable=False),
    _text("stage", required=True),
    _time("compared_until", required=True),
    _time("started_at", required=True),
    _time("finished_at"),
    Column("payments", Integer, nullable=False),
    Column("refunds", Integer, nullable=False),
    Column("findings", JSONB, nullable=False, server_default=text("'[]'::jsonb")),
    _one_of("stage", "payments", "refunds", "done"),
    CheckConstraint("finished_at IS NULL OR stage = 'done'", name="finished"),
    CheckConstraint("passes > 0 AND payments >= 0 AND refunds >= 0", name="counts"),
    CheckConstraint("jsonb_typeof(findings) = 'array'", name="findings"),
    comment="Reports of reconciliation, one a payment system and calendar day (Europe/Moscow). stage and compared_until "
    "say where a pass that was interrupted goes on; payments and refunds count the objects that the last pass compared. "
    "finished_at stays NULL until a pass has seen all of a day that is over.",
)
