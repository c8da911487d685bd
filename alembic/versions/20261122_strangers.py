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
    op.add_column("inbox", sa.Column("stranger", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.drop_index("ix_inbox_waiting", table_name="inbox", postgresql_where=_WAITING)
    op.create_index("ix_inbox_waiting", "inbox", ["stranger", "retry_by"], postgresql_where=_WAITING)


def downgrade() -> None:
    op.drop_index("ix_inbox_waiting", table_name="inbox", postgresql_where=_WAITING)
    op.create_index("ix_inbox_waiting", "inbox", ["retry_by"], postgresql_where=_WAITING)
    op.drop_column("inbox", "stranger")
