"""Notifications about what nobody here knows wait in a line of their own."""

from __future__ import annotations

import sqlalchemy as sa

from alembic import op

revision = "strangers"
down_revision = "key_lapsed"
branch_labels = None
depends_on = None

_WAITING = sa.text("retry_by IS NOT NULL")


def upgrade() -> None:
    stranger: sa.Column[bool] = sa.Column("stranger", sa.Boolean(), server_default=sa.text("false"), nullable=False)
    op.add_column("inbox", stranger, if_not_exists=True)  # kept if this is cut short below, and then done again
    with op.get_context().autocommit_block():  # made beside those who write; one that was cut short is not valid
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS ix_inbox_waiting_new")
        op.create_index(
            "ix_inbox_waiting_new",
            "inbox",
            ["stranger", "retry_by"],
            postgresql_where=_WAITING,
            postgresql_concurrently=True,
        )
    op.drop_index("ix_inbox_waiting", table_name="inbox", postgresql_where=_WAITING)
    op.execute("ALTER INDEX ix_inbox_waiting_new RENAME TO ix_inbox_waiting")


def downgrade() -> None:
    op.drop_index("ix_inbox_waiting", table_name="inbox", postgresql_where=_WAITING)
    op.create_index("ix_inbox_waiting", "inbox", ["retry_by"], postgresql_where=_WAITING)
    op.drop_column("inbox", "stranger")
