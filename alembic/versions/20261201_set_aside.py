"""Notifications that were set aside are few among many: they are found by an index of their own."""

from __future__ import annotations

import sqlalchemy as sa

from alembic import op

revision = "set_aside"
down_revision = "cancel_reason"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS ix_inbox_set_aside")  # one that was cut short is not valid
        op.create_index(
            "ix_inbox_set_aside",
            "inbox",
            ["payment_system", "provider_object_id"],
            postgresql_where=sa.text("status = 'set_aside'"),
            postgresql_concurrently=True,
        )


def downgrade() -> None:
    op.drop_index("ix_inbox_set_aside", table_name="inbox")
