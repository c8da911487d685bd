"""Changes of plan: the plan that comes next, and credit of earlier plans that pays for periods. Trials: one each."""

from __future__ import annotations

import sqlalchemy as sa

from alembic import op

revision = "plan_changes"
down_revision = "asked_while_open"
branch_labels = None
depends_on = None

_NO_CREDIT = sa.text("0")
_RULES = (
    ("payments", "ck_payments_credit", "CHECK (credit >= 0)"),
    ("subscriptions", "ck_subscriptions_period_credit", "CHECK (period_credit >= 0)"),
    ("subscriptions", "ck_subscriptions_next_plan", "CHECK (next_plan_id <> plan_id)"),
    (
        "subscriptions",
        "fk_subscriptions_next_plan_id_plans",
        "FOREIGN KEY (next_plan_id) REFERENCES plans (id)",
    ),
    (
        "subscriptions",
        "fk_subscriptions_trial_plan_id_plans",
        "FOREIGN KEY (trial_plan_id) REFERENCES plans (id)",
    ),
)


def upgrade() -> None:
    # A constant default and a column without one are notes in the catalogue: no row is written (Postgres 11 and later).
    # Constraints are validated afterwards, which reads all rows and keeps nobody from writing meanwhile.
    # What stands before the block is kept if this is cut short in it: all of it can be done again.
    for table, column in (
        ("payments", sa.Column("credit", sa.BigInteger(), server_default=_NO_CREDIT, nullable=False)),
        ("subscriptions", sa.Column("period_credit", sa.BigInteger(), server_default=_NO_CREDIT, nullable=False)),
        ("subscriptions", sa.Column("next_plan_id", sa.UUID(), nullable=True)),
        ("subscriptions", sa.Column("trial_plan_id", sa.UUID(), nullable=True)),
    ):
        op.add_column(table, column, if_not_exists=True)
    for table, name, rule in _RULES:
        op.execute(f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {name}, ADD CONSTRAINT {name} {rule} NOT VALID")
    with op.get_context().autocommit_block():
        for table, name, _ in _RULES:
            op.execute(f"ALTER TABLE {table} VALIDATE CONSTRAINT {name}")
        for name in ("ix_subscriptions_next_plan", "uq_subscriptions_one_trial"):  # one that was cut short is not valid
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
        op.create_index(
            "ix_subscriptions_next_plan",
            "subscriptions",
            ["next_plan_id"],
            postgresql_where=sa.text("next_plan_id IS NOT NULL"),
            postgresql_concurrently=True,
        )
        op.create_index(
            "uq_subscriptions_one_trial",
            "subscriptions",
            ["trial_plan_id", "user_id"],
            unique=True,
            postgresql_where=sa.text("trial_plan_id IS NOT NULL"),
            postgresql_concurrently=True,
        )


def downgrade() -> None:
    op.drop_column("subscriptions", "trial_plan_id")
    op.drop_column("subscriptions", "next_plan_id")
    op.drop_column("subscriptions", "period_credit")
    op.drop_column("payments", "credit")
