"""The books: everything the service keeps."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from alembic import op

revision = "534d01d08d36"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Waiting for work costs nothing: who listens on `work` is told which table has some.
    op.execute("""
        CREATE FUNCTION wake_the_workers() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN PERFORM pg_notify('work', TG_TABLE_NAME); RETURN NULL; END $$
    """)
    op.execute("""
        CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION 'rows of % are never changed', TG_TABLE_NAME; END $$
    """)
    op.create_table(
        "cases",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("user_id", sa.UUID(), nullable=True),
        sa.Column("payment_id", sa.UUID(), nullable=True),
        sa.Column("refund_id", sa.UUID(), nullable=True),
        sa.Column("facts", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("seen", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("resolved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("resolution", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cases")),
        comment="What a person has to look at: outcomes that stay unknown, late news about final states, money that does not add up. Nothing is given up silently (invariant 4).",
    )
    op.create_index("ix_cases_payment", "cases", ["payment_id"], unique=False)
    op.create_index(
        "uq_cases_open", "cases", ["kind", "subject"], unique=True, postgresql_where=sa.text("resolved_at IS NULL")
    )
    op.create_table(
        "events",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("user_id", sa.UUID(), nullable=False),
        sa.Column("subscription_id", sa.UUID(), nullable=False),
        sa.Column("payment_id", sa.UUID(), nullable=True),
        sa.Column("refund_id", sa.UUID(), nullable=True),
        sa.Column("actor_kind", sa.Text(), nullable=False),
        sa.Column("actor_id", sa.Text(), nullable=False),
        sa.Column("request_id", sa.Text(), nullable=True),
        sa.Column("data", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.CheckConstraint(
            "actor_kind IN ('user', 'service', 'admin', 'system', 'payment_system')", name=op.f("ck_events_actor_kind")
        ),
        sa.PrimaryKeyConstraint("id", "at", name=op.f("pk_events")),
        comment="What has happened, for ever (SUB-7). Append-only: a trigger refuses UPDATE and DELETE. No foreign keys to or from it (NFR-2); its key carries the time, so that it can be partitioned by month without a change of key.",
    )
    op.create_index(
        "ix_events_subscription",
        "events",
        ["subscription_id", sa.literal_column("at DESC"), sa.literal_column("id DESC")],
        unique=False,
    )
    op.create_index(
        "ix_events_user",
        "events",
        ["user_id", sa.literal_column("at DESC"), sa.literal_column("id DESC")],
        unique=False,
    )
    op.create_table(
        "held_clock",
        sa.Column("one", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("now", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("one", name=op.f("ck_held_clock_one_row")),
        sa.PrimaryKeyConstraint("one", name=op.f("pk_held_clock")),
        comment="The time machine of local mode and tests: one row with the present. Empty, and refused, in production.",
    )
    op.create_table(
        "idempotency_keys",
        sa.Column("caller", sa.Text(), nullable=False),
        sa.Column("route", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("leased_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("operation_id", sa.UUID(), nullable=True),
        sa.Column("reply_status", sa.SmallInteger(), nullable=True),
        sa.Column("reply_headers", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("reply_body", sa.LargeBinary(), nullable=True),
        sa.CheckConstraint(
            "(reply_status IS NULL) = (reply_body IS NULL) AND (reply_status IS NULL) = (reply_headers IS NULL)",
            name=op.f("ck_idempotency_keys_reply"),
        ),
        sa.CheckConstraint("length(key) BETWEEN 1 AND 255", name=op.f("ck_idempotency_keys_key")),
        sa.PrimaryKeyConstraint("caller", "route", "key", name=op.f("pk_idempotency_keys")),
        comment="Mutating requests by their Idempotency-Key (invariant 9): the reply once there is one, else the operation that the next try goes on with after leased_until (the wall clock's).",
    )
    op.create_index("ix_idempotency_keys_created", "idempotency_keys", ["created_at"], unique=False)
    op.create_table(
        "inbox",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("payment_system", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("provider_object_id", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("received", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column(
            "received_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column("status", sa.Text(), server_default=sa.text("'new'"), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("retry_by", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=True),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.CheckConstraint("(status = 'new') = (retry_by IS NOT NULL)", name=op.f("ck_inbox_waiting")),
        sa.CheckConstraint("status IN ('new', 'done', 'set_aside')", name=op.f("ck_inbox_status")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_inbox")),
        sa.UniqueConstraint("payment_system", "digest", name=op.f("uq_inbox_payment_system_digest")),
        comment="Notifications of payment systems, each content once (invariant 5). A hint only: the object is fetched before anything is believed. retry_by is the wall clock's and also the lease of the worker that looks at it.",
    )
    op.create_index("ix_inbox_received", "inbox", ["received_at"], unique=False)
    op.create_index(
        "ix_inbox_waiting", "inbox", ["retry_by"], unique=False, postgresql_where=sa.text("retry_by IS NOT NULL")
    )
    op.create_table(
        "mails",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("user_id", sa.UUID(), nullable=False),
        sa.Column("events", sa.Text(), nullable=False),
        sa.Column("object_id", sa.UUID(), nullable=False),
        sa.Column("facts", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("request_id", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), server_default=sa.text("'owed'"), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("retry_by", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.CheckConstraint("(status = 'owed') = (retry_by IS NOT NULL)", name=op.f("ck_mails_owed")),
        sa.CheckConstraint("status IN ('owed', 'sent', 'undeliverable')", name=op.f("ck_mails_status")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mails")),
        comment="Mails owed and sent, one for each outcome that a person waits for (invariant 10). A queue by retry_by, which is the wall clock's and also the lease of the worker that sends it.",
    )
    op.create_index(
        "ix_mails_owed", "mails", ["retry_by"], unique=False, postgresql_where=sa.text("retry_by IS NOT NULL")
    )
    op.create_index("ix_mails_user", "mails", ["user_id"], unique=False)
    op.create_table(
        "outbox",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("projection", sa.Text(), nullable=False),
        sa.Column("user_id", sa.UUID(), nullable=False),
        sa.Column("object_id", sa.UUID(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column("retry_by", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.CheckConstraint("projection IN ('history', 'access')", name=op.f("ck_outbox_projection")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
        comment="What the projector still has to carry into Elasticsearch (history) and Redis (access). A queue: taken with SKIP LOCKED, removed when done, never read by 'id greater than the last' (invariant 8). Times are the wall clock's.",
    )
    op.create_index(
        "ix_outbox_fresh", "outbox", ["projection", "id"], unique=False, postgresql_where=sa.text("retry_by IS NULL")
    )
    op.create_table(
        "payment_systems",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("adapter", sa.Text(), nullable=False),
        sa.Column("enabled", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column(
            "settings", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.Column("archived_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("version", sa.BigInteger(), server_default=sa.text("1"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payment_systems")),
        sa.UniqueConstraint("code", name=op.f("uq_payment_systems_code")),
        comment="Registry of payment systems (PAY-11): a code that callers name, the adapter that speaks to it.",
    )
    op.create_table(
        "plans",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("period_unit", sa.Text(), nullable=False),
        sa.Column("period_count", sa.SmallInteger(), nullable=False),
        sa.Column("trial_days", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("available", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("archived_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column("version", sa.BigInteger(), server_default=sa.text("1"), nullable=False),
        sa.CheckConstraint("period_unit IN ('day', 'week', 'month', 'year')", name=op.f("ck_plans_period_unit")),
        sa.CheckConstraint("length(code) BETWEEN 1 AND 64", name=op.f("ck_plans_code")),
        sa.CheckConstraint("period_count BETWEEN 1 AND 366", name=op.f("ck_plans_period_count")),
        sa.CheckConstraint("trial_days BETWEEN 0 AND 366", name=op.f("ck_plans_trial_days")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_plans")),
        sa.UniqueConstraint("code", name=op.f("uq_plans_code")),
        comment="What is sold (SUB-1). A plan that is in use is archived, never deleted.",
    )
    op.create_table(
        "users",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("locale", sa.Text(), nullable=True),
        sa.Column("zone", sa.Text(), nullable=True),
        sa.Column("version", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("refreshed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("erased_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        comment="Persons as the auth service describes them (AUTH-5). The row is also the lock that every transaction about one person's money takes first; version counts each change of what they bought or paid, projections carry it.",
    )
    op.create_table(
        "payment_methods",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("user_id", sa.UUID(), nullable=False),
        sa.Column("payment_system", sa.Text(), nullable=False),
        sa.Column("provider_method_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("first6", sa.Text(), nullable=True),
        sa.Column("last4", sa.Text(), nullable=True),
        sa.Column("exp_month", sa.SmallInteger(), nullable=True),
        sa.Column("exp_year", sa.SmallInteger(), nullable=True),
        sa.Column("is_default", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("version", sa.BigInteger(), server_default=sa.text("1"), nullable=False),
        sa.CheckConstraint(
            "first6 ~ '^[0-9]{6}$' AND last4 ~ '^[0-9]{4}$'", name=op.f("ck_payment_methods_shown_digits")
        ),
        sa.CheckConstraint(
            "NOT (is_default AND removed_at IS NOT NULL)", name=op.f("ck_payment_methods_removed_is_no_default")
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_payment_methods_user_id_users")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payment_methods")),
        sa.UniqueConstraint(
            "user_id",
            "payment_system",
            "provider_method_id",
            name=op.f("uq_payment_methods_user_id_payment_system_provider_method_id"),
        ),
        comment="Link between a person and their token at a payment system (PAY-12). A removed one stays for the books and is never charged again.",
    )
    op.create_index(
        "uq_payment_methods_default",
        "payment_methods",
        ["user_id"],
        unique=True,
        postgresql_where=sa.text("is_default"),
    )
    op.create_table(
        "plan_prices",
        sa.Column("plan_id", sa.UUID(), nullable=False),
        sa.Column("valid_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.CheckConstraint("currency ~ '^[A-Z]{3}$'", name=op.f("ck_plan_prices_currency")),
        sa.CheckConstraint("amount > 0", name=op.f("ck_plan_prices_amount")),
        sa.ForeignKeyConstraint(
            ["plan_id"], ["plans.id"], name=op.f("fk_plan_prices_plan_id_plans"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("plan_id", "valid_from", name=op.f("pk_plan_prices")),
        comment="Prices of plans in minor units, each valid from its instant until the next: none is ever rewritten, so a payment's price can be explained for ever.",
    )
    op.create_table(
        "subscriptions",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("user_id", sa.UUID(), nullable=False),
        sa.Column("plan_id", sa.UUID(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("zone", sa.Text(), nullable=False),
        sa.Column("payment_system", sa.Text(), nullable=False),
        sa.Column("payment_method_id", sa.UUID(), nullable=True),
        sa.Column("period_number", sa.Integer(), nullable=False),
        sa.Column("period_start", sa.DateTime(timezone=True), nullable=True),
        sa.Column("period_end", sa.DateTime(timezone=True), nullable=True),
        sa.Column("anchor_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cancel_at_period_end", sa.Boolean(), nullable=False),
        sa.Column("next_charge_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("remind_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("end_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("open_payment_id", sa.UUID(), nullable=True),
        sa.Column("refunding", sa.Boolean(), nullable=False),
        sa.Column("first_failed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failed_tries", sa.SmallInteger(), nullable=False),
        sa.Column("balance", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("claimed_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("version", sa.BigInteger(), server_default=sa.text("1"), nullable=False),
        sa.CheckConstraint(
            "(status IN ('canceled', 'expired')) = (ended_at IS NOT NULL)", name=op.f("ck_subscriptions_ended")
        ),
        sa.CheckConstraint(
            "status <> 'active' OR period_end IS NOT NULL", name=op.f("ck_subscriptions_active_has_period")
        ),
        sa.CheckConstraint(
            "status IN ('pending', 'trialing', 'active', 'past_due', 'canceled', 'expired')",
            name=op.f("ck_subscriptions_status"),
        ),
        sa.CheckConstraint("balance >= 0", name=op.f("ck_subscriptions_balance")),
        sa.CheckConstraint(
            "ended_at IS NULL OR (next_charge_at IS NULL AND remind_at IS NULL AND end_at IS NULL)",
            name=op.f("ck_subscriptions_ended_is_quiet"),
        ),
        sa.CheckConstraint("period_start < period_end", name=op.f("ck_subscriptions_period")),
        sa.ForeignKeyConstraint(
            ["payment_method_id"],
            ["payment_methods.id"],
            name=op.f("fk_subscriptions_payment_method_id_payment_methods"),
        ),
        sa.ForeignKeyConstraint(["plan_id"], ["plans.id"], name=op.f("fk_subscriptions_plan_id_plans")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_subscriptions_user_id_users")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_subscriptions")),
        comment="What one person has of one plan. Time is served by three instants: next_charge_at, remind_at, end_at. claimed_until (by the wall clock) keeps two workers from taking the same one; a crash lets it lapse.",
    )
    op.create_index(
        "ix_subscriptions_due",
        "subscriptions",
        ["next_charge_at"],
        unique=False,
        postgresql_where=sa.text("next_charge_at IS NOT NULL AND open_payment_id IS NULL AND NOT refunding"),
    )
    op.create_index(
        "ix_subscriptions_end",
        "subscriptions",
        ["end_at"],
        unique=False,
        postgresql_where=sa.text("end_at IS NOT NULL AND open_payment_id IS NULL"),
    )
    op.create_index(
        "ix_subscriptions_method",
        "subscriptions",
        ["payment_method_id"],
        unique=False,
        postgresql_where=sa.text("payment_method_id IS NOT NULL"),
    )
    op.create_index("ix_subscriptions_plan", "subscriptions", ["plan_id"], unique=False)
    op.create_index(
        "ix_subscriptions_remind",
        "subscriptions",
        ["remind_at"],
        unique=False,
        postgresql_where=sa.text("remind_at IS NOT NULL"),
    )
    op.create_index("ix_subscriptions_user", "subscriptions", ["user_id", "created_at"], unique=False)
    op.create_index(
        "uq_subscriptions_one_running",
        "subscriptions",
        ["user_id", "plan_id"],
        unique=True,
        postgresql_where=sa.text("status NOT IN ('canceled', 'expired')"),
    )
    op.create_table(
        "payments",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("user_id", sa.UUID(), nullable=False),
        sa.Column("subscription_id", sa.UUID(), nullable=False),
        sa.Column("plan_id", sa.UUID(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("refunded", sa.BigInteger(), nullable=False),
        sa.Column("refund_reserved", sa.BigInteger(), nullable=False),
        sa.Column("period_number", sa.Integer(), nullable=False),
        sa.Column("period_start", sa.DateTime(timezone=True), nullable=True),
        sa.Column("period_end", sa.DateTime(timezone=True), nullable=True),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("pays_with", sa.Text(), nullable=False),
        sa.Column("by_person", sa.Boolean(), nullable=False),
        sa.Column("payment_system", sa.Text(), nullable=True),
        sa.Column("return_url", sa.Text(), nullable=True),
        sa.Column("sealed_token", sa.LargeBinary(), nullable=True),
        sa.Column("payment_method_id", sa.UUID(), nullable=True),
        sa.Column("provider_method_id", sa.Text(), nullable=True),
        sa.Column("provider_payment_id", sa.Text(), nullable=True),
        sa.Column("confirmation_url", sa.Text(), nullable=True),
        sa.Column("cancel_reason", sa.Text(), nullable=True),
        sa.Column("cancel_party", sa.Text(), nullable=True),
        sa.Column("source", sa.Text(), nullable=True),
        sa.Column("reference", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sent_by", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("asks", sa.Integer(), nullable=False),
        sa.Column("ask_again_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ask_again_by", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_silence", sa.Text(), nullable=True),
        sa.Column("version", sa.BigInteger(), server_default=sa.text("1"), nullable=False),
        sa.CheckConstraint(
            "(kind = 'external') = (source IS NOT NULL AND reference IS NOT NULL)", name=op.f("ck_payments_external")
        ),
        sa.CheckConstraint(
            "(status IN ('succeeded', 'canceled')) = (settled_at IS NOT NULL)", name=op.f("ck_payments_settled")
        ),
        sa.CheckConstraint(
            "kind IN ('first', 'renewal', 'plan_change', 'binding', 'external')", name=op.f("ck_payments_kind")
        ),
        sa.CheckConstraint(
            "pays_with IN ('redirect', 'token', 'saved', 'card', 'outside')", name=op.f("ck_payments_pays_with")
        ),
        sa.CheckConstraint(
            "status <> 'canceled' OR cancel_reason IS NOT NULL", name=op.f("ck_payments_canceled_has_reason")
        ),
        sa.CheckConstraint(
            "status IN ('pending', 'succeeded', 'canceled', 'unknown')", name=op.f("ck_payments_status")
        ),
        sa.CheckConstraint("amount >= 0", name=op.f("ck_payments_amount")),
        sa.CheckConstraint(
            "refunded >= 0 AND refund_reserved >= 0 AND refunded + refund_reserved <= amount",
            name=op.f("ck_payments_refunds"),
        ),
        sa.ForeignKeyConstraint(
            ["payment_method_id"], ["payment_methods.id"], name=op.f("fk_payments_payment_method_id_payment_methods")
        ),
        sa.ForeignKeyConstraint(["plan_id"], ["plans.id"], name=op.f("fk_payments_plan_id_plans")),
        sa.ForeignKeyConstraint(
            ["subscription_id"], ["subscriptions.id"], name=op.f("fk_payments_subscription_id_subscriptions")
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_payments_user_id_users")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payments")),
        comment="Each try to collect money, written before anybody is asked for it (invariant 1). ask_again_at (the service's clock) and ask_again_by (the wall clock) are the janitor's; sealed_token is encrypted and goes when the payment ends. Minor units.",
    )
    op.create_index(
        "ix_payments_ask_at",
        "payments",
        ["ask_again_at"],
        unique=False,
        postgresql_where=sa.text("ask_again_at IS NOT NULL"),
    )
    op.create_index(
        "ix_payments_ask_by",
        "payments",
        ["ask_again_by"],
        unique=False,
        postgresql_where=sa.text("ask_again_by IS NOT NULL"),
    )
    op.create_index("ix_payments_created", "payments", ["created_at"], unique=False)
    op.create_index(
        "ix_payments_method",
        "payments",
        ["payment_method_id"],
        unique=False,
        postgresql_where=sa.text("payment_method_id IS NOT NULL"),
    )
    op.create_index("ix_payments_plan", "payments", ["plan_id"], unique=False)
    op.create_index(
        "ix_payments_user",
        "payments",
        ["user_id", sa.literal_column("created_at DESC"), sa.literal_column("id DESC")],
        unique=False,
    )
    op.create_index(
        "uq_payments_one_open",
        "payments",
        ["subscription_id"],
        unique=True,
        postgresql_where=sa.text("status IN ('pending', 'unknown')"),
    )
    op.create_index(
        "uq_payments_one_per_period",
        "payments",
        ["subscription_id", "period_number"],
        unique=True,
        postgresql_where=sa.text(
            "status IN ('pending', 'unknown') OR (status = 'succeeded' AND period_start IS NOT NULL)"
        ),
    )
    op.create_index(
        "uq_payments_provider",
        "payments",
        ["payment_system", "provider_payment_id"],
        unique=True,
        postgresql_where=sa.text("provider_payment_id IS NOT NULL"),
    )
    op.create_index(
        "uq_payments_reference",
        "payments",
        ["source", "reference"],
        unique=True,
        postgresql_where=sa.text("reference IS NOT NULL"),
    )
    op.create_table(
        "refunds",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("payment_id", sa.UUID(), nullable=False),
        sa.Column("subscription_id", sa.UUID(), nullable=False),
        sa.Column("user_id", sa.UUID(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("ends_subscription", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("payment_system", sa.Text(), nullable=True),
        sa.Column("provider_refund_id", sa.Text(), nullable=True),
        sa.Column("cancel_reason", sa.Text(), nullable=True),
        sa.Column("cancel_party", sa.Text(), nullable=True),
        sa.Column("source", sa.Text(), nullable=True),
        sa.Column("reference", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("key_number", sa.Integer(), nullable=False),
        sa.Column("key_since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("asks", sa.Integer(), nullable=False),
        sa.Column("ask_again_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ask_again_by", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_silence", sa.Text(), nullable=True),
        sa.Column("version", sa.BigInteger(), server_default=sa.text("1"), nullable=False),
        sa.CheckConstraint(
            "(origin = 'external') = (source IS NOT NULL AND reference IS NOT NULL)", name=op.f("ck_refunds_external")
        ),
        sa.CheckConstraint(
            "(status IN ('succeeded', 'canceled')) = (settled_at IS NOT NULL)", name=op.f("ck_refunds_settled")
        ),
        sa.CheckConstraint(
            "origin IN ('person', 'internal', 'late_money', 'cabinet', 'external')", name=op.f("ck_refunds_origin")
        ),
        sa.CheckConstraint("status IN ('pending', 'succeeded', 'canceled', 'unknown')", name=op.f("ck_refunds_status")),
        sa.CheckConstraint("amount > 0", name=op.f("ck_refunds_amount")),
        sa.ForeignKeyConstraint(["payment_id"], ["payments.id"], name=op.f("fk_refunds_payment_id_payments")),
        sa.ForeignKeyConstraint(
            ["subscription_id"], ["subscriptions.id"], name=op.f("fk_refunds_subscription_id_subscriptions")
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_refunds_user_id_users")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_refunds")),
        comment="Money on its way back, reserved on its payment before anybody is asked (invariant 7). Minor units.",
    )
    op.create_index(
        "ix_refunds_ask_at",
        "refunds",
        ["ask_again_at"],
        unique=False,
        postgresql_where=sa.text("ask_again_at IS NOT NULL"),
    )
    op.create_index(
        "ix_refunds_ask_by",
        "refunds",
        ["ask_again_by"],
        unique=False,
        postgresql_where=sa.text("ask_again_by IS NOT NULL"),
    )
    op.create_index("ix_refunds_created", "refunds", ["created_at"], unique=False)
    op.create_index("ix_refunds_payment", "refunds", ["payment_id"], unique=False)
    op.create_index("ix_refunds_subscription", "refunds", ["subscription_id"], unique=False)
    op.create_index("ix_refunds_user", "refunds", ["user_id"], unique=False)
    op.create_index(
        "uq_refunds_one_open",
        "refunds",
        ["payment_id"],
        unique=True,
        postgresql_where=sa.text("status IN ('pending', 'unknown')"),
    )
    op.create_index(
        "uq_refunds_provider",
        "refunds",
        ["payment_system", "provider_refund_id"],
        unique=True,
        postgresql_where=sa.text("provider_refund_id IS NOT NULL"),
    )
    op.create_index(
        "uq_refunds_reference",
        "refunds",
        ["source", "reference"],
        unique=True,
        postgresql_where=sa.text("reference IS NOT NULL"),
    )
    for table in ("outbox", "mails", "inbox"):
        op.execute(
            f"CREATE TRIGGER wake_{table} AFTER INSERT ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION wake_the_workers()"
        )
    op.execute(
        "CREATE TRIGGER events_are_final BEFORE UPDATE OR DELETE ON events "
        "FOR EACH ROW EXECUTE FUNCTION refuse_change()"
    )
    op.execute(
        "INSERT INTO payment_systems (id, code, name, adapter) VALUES (uuidv7(), 'yookassa', 'ЮKassa', 'yookassa')"
    )


def downgrade() -> None:
    op.drop_index("uq_refunds_reference", table_name="refunds", postgresql_where=sa.text("reference IS NOT NULL"))
    op.drop_index(
        "uq_refunds_provider", table_name="refunds", postgresql_where=sa.text("provider_refund_id IS NOT NULL")
    )
    op.drop_index(
        "uq_refunds_one_open", table_name="refunds", postgresql_where=sa.text("status IN ('pending', 'unknown')")
    )
    op.drop_index("ix_refunds_user", table_name="refunds")
    op.drop_index("ix_refunds_subscription", table_name="refunds")
    op.drop_index("ix_refunds_payment", table_name="refunds")
    op.drop_index("ix_refunds_created", table_name="refunds")
    op.drop_index("ix_refunds_ask_by", table_name="refunds", postgresql_where=sa.text("ask_again_by IS NOT NULL"))
    op.drop_index("ix_refunds_ask_at", table_name="refunds", postgresql_where=sa.text("ask_again_at IS NOT NULL"))
    op.drop_table("refunds")
    op.drop_index("uq_payments_reference", table_name="payments", postgresql_where=sa.text("reference IS NOT NULL"))
    op.drop_index(
        "uq_payments_provider", table_name="payments", postgresql_where=sa.text("provider_payment_id IS NOT NULL")
    )
    op.drop_index(
        "uq_payments_one_per_period",
        table_name="payments",
        postgresql_where=sa.text(
            "status IN ('pending', 'unknown') OR (status = 'succeeded' AND period_start IS NOT NULL)"
        ),
    )
    op.drop_index(
        "uq_payments_one_open", table_name="payments", postgresql_where=sa.text("status IN ('pending', 'unknown')")
    )
    op.drop_index("ix_payments_user", table_name="payments")
    op.drop_index("ix_payments_plan", table_name="payments")
    op.drop_index(
        "ix_payments_method", table_name="payments", postgresql_where=sa.text("payment_method_id IS NOT NULL")
    )
    op.drop_index("ix_payments_created", table_name="payments")
    op.drop_index("ix_payments_ask_by", table_name="payments", postgresql_where=sa.text("ask_again_by IS NOT NULL"))
    op.drop_index("ix_payments_ask_at", table_name="payments", postgresql_where=sa.text("ask_again_at IS NOT NULL"))
    op.drop_table("payments")
    op.drop_index(
        "uq_subscriptions_one_running",
        table_name="subscriptions",
        postgresql_where=sa.text("status NOT IN ('canceled', 'expired')"),
    )
    op.drop_index("ix_subscriptions_user", table_name="subscriptions")
    op.drop_index(
        "ix_subscriptions_remind", table_name="subscriptions", postgresql_where=sa.text("remind_at IS NOT NULL")
    )
    op.drop_index("ix_subscriptions_plan", table_name="subscriptions")
    op.drop_index(
        "ix_subscriptions_method", table_name="subscriptions", postgresql_where=sa.text("payment_method_id IS NOT NULL")
    )
    op.drop_index(
        "ix_subscriptions_end",
        table_name="subscriptions",
        postgresql_where=sa.text("end_at IS NOT NULL AND open_payment_id IS NULL"),
    )
    op.drop_index(
        "ix_subscriptions_due",
        table_name="subscriptions",
        postgresql_where=sa.text("next_charge_at IS NOT NULL AND open_payment_id IS NULL AND NOT refunding"),
    )
    op.drop_table("subscriptions")
    op.drop_table("plan_prices")
    op.drop_index("uq_payment_methods_default", table_name="payment_methods", postgresql_where=sa.text("is_default"))
    op.drop_table("payment_methods")
    op.drop_table("users")
    op.drop_table("plans")
    op.drop_table("payment_systems")
    op.drop_index("ix_outbox_fresh", table_name="outbox", postgresql_where=sa.text("retry_by IS NULL"))
    op.drop_table("outbox")
    op.drop_index("ix_mails_user", table_name="mails")
    op.drop_index("ix_mails_owed", table_name="mails", postgresql_where=sa.text("retry_by IS NOT NULL"))
    op.drop_table("mails")
    op.drop_index("ix_inbox_waiting", table_name="inbox", postgresql_where=sa.text("retry_by IS NOT NULL"))
    op.drop_index("ix_inbox_received", table_name="inbox")
    op.drop_table("inbox")
    op.drop_index("ix_idempotency_keys_created", table_name="idempotency_keys")
    op.drop_table("idempotency_keys")
    op.drop_table("held_clock")
    op.drop_index("ix_events_user", table_name="events")
    op.drop_index("ix_events_subscription", table_name="events")
    op.drop_table("events")
    op.drop_index("uq_cases_open", table_name="cases", postgresql_where=sa.text("resolved_at IS NULL"))
    op.drop_index("ix_cases_payment", table_name="cases")
    op.drop_table("cases")
    op.execute("DROP FUNCTION wake_the_workers()")
    op.execute("DROP FUNCTION refuse_change()")
