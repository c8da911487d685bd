"""Which payment systems somebody has paid through: those are archived, never deleted."""

from __future__ import annotations

import sqlalchemy as sa

from alembic import op

revision = "payment_system_used"
down_revision = "refund_sent_by"
branch_labels = None
depends_on = None

_BEFORE = "Registry of payment systems (PAY-11): a code that callers name, the adapter that speaks to it."


def upgrade() -> None:
    op.add_column("payment_systems", sa.Column("used", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.execute("UPDATE payment_systems SET used = true")
    op.create_table_comment(
        "payment_systems",
        "Registry of payment systems (PAY-11): a code that callers name, the adapter that speaks to it, settings of its "
        "own by name, each sealed. One that was used is archived, never deleted.",
        existing_comment=_BEFORE,
    )


def downgrade() -> None:
    op.create_table_comment("payment_systems", _BEFORE)
    op.drop_column("payment_systems", "used")
